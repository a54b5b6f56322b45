"""What a plan says in one sentence, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import plan
from pipeline.reference import Reference, Release

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
NOTHING = Reference()
BEFORE = Reference({V1.key: V1}, V1.key)
AFTER = BEFORE.deploying(V2)
ADDRESS = "203.0.113.5"
LIVE = 7
"""The droplet of v1."""


def change(
    kind: str, *actions: str, key: str = "", name: str = "app", before: Any = None, after: Any = None
) -> dict[str, Any]:
    found = {"address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name}
    return {
        **found,
        **({"index": key} if key else {}),
        "change": {"actions": list(actions), "before": before, "after": after},
    }


def droplet(*actions: str, key: str, id: int = LIVE) -> dict[str, Any]:
    before = None if actions == ("create",) else {"id": str(id), "name": f"app-local-{key}"}
    return change(plan.DROPLET, *actions, key=key, before=before, after={})


def move(*actions: str) -> dict[str, Any]:
    return change(plan.ASSIGNMENT, *actions, name="live", before={"ip_address": ADDRESS, "droplet_id": LIVE})


def read(*changes: dict[str, Any], target: Reference = AFTER, confirmed: Reference = BEFORE) -> plan.Plan:
    return plan.read({"resource_changes": list(changes)}, target, confirmed=confirmed, carrying=LIVE)


def test_a_release_is_one_sentence() -> None:
    old = Release("v0", "c0ffee", "app-v0-0123456789ab", "s-1vcpu-1gb", "feed")
    found = read(
        droplet("create", key=V2.key),
        change("terraform_data", "create", name="gate", key=V2.key),
        move("create", "delete"),
        droplet("delete", key=old.key, id=6),
    )
    assert found.sentence == (
        f"create 1 droplet of app-v2-0123456789ab, move {ADDRESS} to {V2.key}, destroy 1 droplet of {old.key}"
    )
    assert found.refused == []
    found.refuse()


def test_a_release_without_standby_destroys_what_was_live_after_the_move() -> None:
    target = BEFORE.deploying(V2, standby=False)
    changes = droplet("create", key=V2.key), move("create", "delete"), droplet("delete", key=V1.key)
    assert read(*changes, target=target).refused == []
    # Were the address not moved, it would point at nothing.
    assert "while the floating IP points at it" in read(*changes[::2], target=target).refused[0]


def test_the_first_release_makes_everything() -> None:
    found = read(
        change(plan.ADDRESS, "create", name="public", after={"region": "fra1"}),
        change("digitalocean_ssh_key", "create", name="deploy", after={}),
        change(plan.USER, "create", key="app_1", after={"name": "app_1"}),
        droplet("create", key=V1.key),
        change(plan.ASSIGNMENT, "create", name="live", after={}),
        target=BEFORE,
        confirmed=NOTHING,
    )
    assert found.sentence == (
        "create 1 droplet of app-v1-0123456789ab, make the floating IP, make the deploy key,"
        f" make the database user app_1, move the floating IP to {V1.key}"
    )
    assert found.refused == []


def test_no_change_is_said_too() -> None:
    found = plan.read(None, BEFORE)
    assert (found.sentence, found.changes, found.refused, found.needed) == ("change nothing", (), (), False)
    assert read().needed  # outputs alone


def test_the_address_is_the_one_that_there_is() -> None:
    kept = change(plan.ADDRESS, "no-op", before={"ip_address": ADDRESS})
    assert plan.address({"resource_changes": [droplet("create", key=V2.key), kept]}) == ADDRESS
    assert plan.address({"resource_changes": [change(plan.ADDRESS, "create", after={})]}) is None
    assert plan.address({}) is None


def test_what_does_not_change_counts_for_nothing() -> None:
    data = {**droplet("read", key=V1.key), "mode": "data"}
    assert read(droplet("no-op", key=V1.key), data).changes == []
    kept = read(change("terraform_data", "update", name="reference"))
    assert kept.sentence == "write down anew what was confirmed"


@pytest.mark.parametrize("kind", ["digitalocean_database_cluster", "digitalocean_database_db"])
@pytest.mark.parametrize(("actions", "verb"), [(("delete",), "destroy"), (("delete", "create"), "replace")])
def test_the_database_stays(kind: str, actions: tuple[str, ...], verb: str) -> None:
    (said,) = read(change(kind, *actions, before={"id": "x"})).refused
    assert said == f"it would {verb} the database ({kind}.app)"


@pytest.mark.parametrize("actions", [("delete",), ("delete", "create"), ("create", "delete")])
def test_the_floating_ip_stays(actions: tuple[str, ...]) -> None:
    (said,) = read(change(plan.ADDRESS, *actions, before={"ip_address": ADDRESS})).refused
    assert ADDRESS in said


def test_the_floating_ip_is_not_left_without_a_droplet() -> None:
    assert "give it to nobody" in read(move("delete")).refused[0]


@pytest.mark.parametrize("actions", [("delete", "create"), ("create", "delete"), ("delete",)])
def test_the_live_droplet_is_neither_replaced_nor_destroyed(actions: tuple[str, ...]) -> None:
    assert "the live droplet" in read(droplet(*actions, key=V1.key), target=BEFORE).refused[0]


def test_no_droplet_is_changed() -> None:
    standby = read(droplet("update", key=V2.key, id=9))
    assert "a droplet is never changed" in standby.refused[0] and standby.sentence == "change a droplet"


def test_a_candidate_that_half_came_to_be_may_be_made_anew() -> None:
    assert read(droplet("delete", "create", key=V2.key, id=9)).refused == []


def test_the_user_of_a_release_that_runs_stays_and_others_go() -> None:
    def user(name: str) -> dict[str, Any]:
        return change(plan.USER, "delete", key=name, before={"name": name})

    assert "the database user app_1" in read(user("app_1")).refused[0]
    found = read(user("app_0"))
    assert found.refused == [] and found.sentence == "remove the database user app_0"


def test_going_back_from_a_first_release_may_remove_the_candidate_that_has_the_address() -> None:
    changes = move("delete"), droplet("delete", key=V1.key)
    assert read(*changes, target=NOTHING, confirmed=NOTHING).refused == []
    # A confirmed one has to be asked for by name: `destroy`.
    assert read(*changes, target=NOTHING, confirmed=BEFORE).refused


def test_a_refusal_is_a_sentence_and_no_value_is_shown() -> None:
    secret = change(plan.ADDRESS, "delete", before={"ip_address": ADDRESS, "password": "hidden"})
    found = read(secret)
    with pytest.raises(plan.Refused, match="The plan is refused: it would destroy the floating IP") as error:
        found.refuse()
    assert "Nothing was changed" in error.value.hint
    assert "hidden" not in str(found.as_json()) + repr(found)
    assert found.as_json()["changes"] == [{"address": "digitalocean_floating_ip.app", "key": "", "actions": ["delete"]}]
