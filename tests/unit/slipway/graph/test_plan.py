"""What a plan says in one sentence, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.environment.reference import Reference, Release
from slipway.graph import plan

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
BEFORE = Reference({V1.key: V1}, V1.key)
AFTER = BEFORE.deploying(V2)
ADDRESS = "203.0.113.5"
NOW = plan.CurrentState(BEFORE, ADDRESS, V1.key)


def change(kind: str, action: str, key: str | int | None = None, name: str = "app") -> dict[str, Any]:
    address = f"{kind}.{name}" + (f"[{key!r}]" if key is not None else "")
    resource = {"addr": address, "resource_type": kind, "resource_name": name, "resource_key": key}
    return {"resource": resource, "action": action}


def droplet(action: str, key: str) -> dict[str, Any]:
    return change(plan.DROPLET, action, key)


def move(action: str = "replace") -> dict[str, Any]:
    return change(plan.ASSIGNMENT, action, 0, "live")


def read(*changes: dict[str, Any], target: Reference = AFTER, now: plan.CurrentState = NOW) -> plan.Plan:
    return plan.read(changes, target, now, target.running)


def test_a_plan_creates_no_droplet_without_its_settings() -> None:
    gone = plan.read([droplet("create", V2.key), move()], AFTER, NOW, [V1.key])
    assert gone.refused == [f"the droplet of {V2.key} vanished during this run"]


def test_a_release_is_one_sentence() -> None:
    old = "v0-01234567"
    found = read(
        droplet("create", V2.key),
        change("terraform_data", "create", V2.key, "gate"),
        move(),
        droplet("delete", old),
    )
    assert found.sentence == (
        f"create 1 droplet of app-v2-0123456789ab, move {ADDRESS} to {V2.key}, destroy 1 droplet of {old}"
    )
    assert found.refused == []
    found.refuse()


def test_what_retires_once_the_release_has_proved_itself_is_said_with_it() -> None:
    target = AFTER.beside({"v0-01234567": V1})
    assert read(move(), target=target).sentence == f"move {ADDRESS} to {V2.key}, destroy 1 droplet of v0-01234567"


def test_what_has_the_traffic_does_not_retire_before_the_address_moves() -> None:
    nothing_live = Reference().beside({V1.key: V1})
    refused = read(change(plan.ASSIGNMENT, "delete", 0, "live"), target=nothing_live).refused
    assert refused == [f"it would destroy the droplet of {V1.key} while the floating IP points at it"]
    lean = BEFORE.deploying(V2, standby=False).beside({V1.key: V1})
    assert read(droplet("create", V2.key), move(), target=lean).refused == []


def test_a_release_without_standby_destroys_what_was_live_after_the_move() -> None:
    target = BEFORE.deploying(V2, standby=False)
    changes = droplet("create", V2.key), move(), droplet("delete", V1.key)
    assert read(*changes, target=target).refused == []
    # Were the address not moved, it would point at nothing.
    assert "while the floating IP points at it" in read(*changes[::2], target=target).refused[0]


def test_the_first_release_makes_everything() -> None:
    found = read(
        change(plan.ADDRESS, "create", name="public"),
        change("digitalocean_ssh_key", "create", name="deploy"),
        change(plan.USER, "create", "app_1"),
        droplet("create", V1.key),
        move("create"),
        target=BEFORE,
        now=plan.CurrentState(),
    )
    assert found.sentence == (
        "create 1 droplet of app-v1-0123456789ab, make the floating IP, make the deploy key,"
        f" make the database user app_1, move the floating IP to {V1.key}"
    )
    assert found.refused == []


def test_no_change_is_said_too() -> None:
    found = plan.read(None, BEFORE, NOW)
    assert (found.sentence, found.changes, found.refused, found.needed) == ("change nothing", (), [], False)
    assert read().needed  # outputs alone


def test_what_does_not_change_counts_for_nothing() -> None:
    assert read(droplet("noop", V1.key), change("digitalocean_image", "read")).changes == []
    kept = read(change("terraform_data", "update", name="reference"))
    assert kept.sentence == "write down anew what was confirmed"


@pytest.mark.parametrize("kind", ["digitalocean_database_cluster", "digitalocean_database_db"])
@pytest.mark.parametrize(("action", "verb"), [("delete", "destroy"), ("replace", "replace")])
def test_the_database_stays(kind: str, action: str, verb: str) -> None:
    (said,) = read(change(kind, action), target=BEFORE).refused
    assert said == f"it would {verb} the database ({kind}.app)"


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_the_floating_ip_stays(action: str) -> None:
    (said,) = read(change(plan.ADDRESS, action, name="public"), target=BEFORE).refused
    assert ADDRESS in said


def test_the_floating_ip_is_not_left_without_a_droplet() -> None:
    assert "give it to nobody" in read(move("delete")).refused[0]


@pytest.mark.parametrize("action", ["replace", "delete"])
def test_the_live_droplet_is_neither_replaced_nor_destroyed(action: str) -> None:
    assert "the live droplet" in read(droplet(action, V1.key), target=BEFORE).refused[0]
    # Also when the cloud does not tell, or names a droplet that nobody knows.
    assert "the live droplet" in read(droplet(action, V1.key), target=BEFORE, now=plan.CurrentState(BEFORE)).refused[0]


def test_what_the_cloud_says_counts_more_than_what_was_confirmed() -> None:
    both = BEFORE.deploying(V2)
    astray = plan.CurrentState(both, ADDRESS, V1.key)  # v2 was confirmed, and the address was moved to v1 by hand
    assert read(droplet("delete", V1.key), target=BEFORE.deploying(V2, standby=False), now=astray).refused
    assert not read(droplet("delete", V1.key), move(), target=BEFORE.deploying(V2, standby=False), now=astray).refused


def test_no_droplet_is_changed() -> None:
    standby = read(droplet("update", V2.key))
    assert "a droplet is never changed" in standby.refused[0] and standby.sentence == "change a droplet"


def test_a_candidate_that_half_came_to_be_may_be_made_anew() -> None:
    assert read(droplet("replace", V2.key), move()).refused == []


def test_the_user_of_a_release_that_runs_stays_and_others_go() -> None:
    assert "the database user app_1" in read(change(plan.USER, "delete", "app_1"), target=BEFORE).refused[0]
    found = read(change(plan.USER, "delete", "app_0"), target=BEFORE)
    assert found.refused == [] and found.sentence == "remove the database user app_0"


def test_going_back_from_a_first_release_may_remove_the_candidate_that_has_the_address() -> None:
    changes = move("delete"), droplet("delete", V1.key)
    assert read(*changes, target=Reference(), now=plan.CurrentState(Reference(), ADDRESS)).refused == []
    # A confirmed one has to be asked for by name: `destroy`.
    assert read(*changes, target=Reference()).refused


def test_a_refusal_is_a_sentence() -> None:
    found = read(change(plan.ADDRESS, "delete", name="public"), target=BEFORE)
    with pytest.raises(plan.Refused, match="The plan is refused: it would destroy the floating IP") as error:
        found.refuse()
    assert "Nothing was changed" in error.value.hint
    changes = [{"address": "digitalocean_floating_ip.public", "key": "", "actions": ["delete"]}]
    assert found.as_json() == {
        "sentence": "remove the floating IP",
        "needed": True,
        "changes": changes,
        "refused": [f"it would destroy the floating IP {ADDRESS}"],
    }


def test_what_the_state_adopts_is_no_change_of_the_world() -> None:
    found = read(move("import"), target=BEFORE)
    assert (found.sentence, found.changes, found.refused) == ("write down anew what was confirmed", [], [])
    assert found.needed


def test_a_refusal_says_what_was_done_before_it() -> None:
    found = read(change(plan.ADDRESS, "delete", name="public"), target=BEFORE)
    with pytest.raises(plan.Refused) as error:
        found.refuse("make the database cluster slipway-local")
    assert "Done before: make the database cluster slipway-local." in error.value.hint
    assert "Nothing was changed" not in error.value.hint


@pytest.mark.parametrize("changes", [None, [], [droplet("create", V2.key)]])
def test_a_plan_that_leaves_the_address_where_it_is_makes_nothing_live(changes: list[dict[str, Any]] | None) -> None:
    assert plan.read(changes, AFTER, NOW, AFTER.running).refused == [f"it would not move {ADDRESS} to {V2.key}"]
    assert plan.read(changes, BEFORE, NOW, AFTER.running).refused == []
    assert plan.read(changes, Reference(), plan.CurrentState(), AFTER.running).refused == []


def test_a_plan_after_something_else_is_told_after_it() -> None:
    assert read(move()).after("resize the database").sentence == f"resize the database, move {ADDRESS} to {V2.key}"
    nothing = plan.read(None, BEFORE, NOW)
    assert nothing.after("") is nothing
    assert (nothing.after("resize the database").sentence, nothing.after("resize it").needed) == (
        "resize the database",
        True,
    )


@pytest.mark.parametrize(("action", "verb"), [("delete", "destroy"), ("replace", "replace")])
def test_a_plan_of_the_database_that_loses_data_says_what(action: str, verb: str) -> None:
    cluster, rule = "digitalocean_database_cluster", "digitalocean_database_firewall"
    assert list(plan.losses([change(cluster, action), change(rule, action)])) == [
        f"it would {verb} the database ({cluster}.app)"
    ]
    assert list(plan.losses([change(cluster, "update")])) == list(plan.losses(None)) == []
