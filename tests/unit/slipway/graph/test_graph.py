"""Which applies a judged plan is carried out by: traffic moves in none before the gate was passed in another."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.graph import adoption, graph, plan
from slipway.graph.graph import Graph, Judged, Wish
from slipway.graph.order import Order
from slipway.progress import Progress

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_1")
V3 = Release("v3", "c0ffee", "app-v3-0123456789ab", "s-1vcpu-1gb", "feed", database_user="app_2")
ADDRESS = "203.0.113.5"
ONE, TWO = Reference().deploying(V1), Reference().deploying(V1).deploying(V2)
NOTHING = Wish()
MOVED = Wish(moved=f"{ADDRESS},7")
DROPLET = plan.Change("digitalocean_droplet.app", plan.DROPLET, "app", V2.key, ("create",))
GATE = plan.Change("terraform_data.gate", "terraform_data", "gate", V2.key, ("create",))
MOVE = plan.Change("digitalocean_floating_ip_assignment.live", plan.ASSIGNMENT, "live", "address", ("delete", "create"))
USER = plan.Change("digitalocean_database_user.app", plan.USER, "app", "app_2", ("create",))
PUBLIC = plan.Change("digitalocean_floating_ip.public", plan.ADDRESS, "public", "", ("create",))


@dataclass
class Steps:
    """Notes what it is asked for."""

    did: list[Any] = field(default_factory=list)

    def say(self, plan: plan.Plan) -> None:
        self.did.append("say")

    def step(self, target: Reference, now: plan.CurrentState, wish: Wish = NOTHING) -> None:
        self.did.append((target.live, sorted(target.running), wish))

    def orders(self, target: Reference, now: plan.CurrentState, wanted: Collection[str]) -> list[Order]:
        self.did.append(f"ask for {' '.join(wanted)}")
        return [Order(key, {}) for key in wanted]

    def place(self, orders: list[Order]) -> dict[str, int]:
        return {each.key: 7 for each in orders}

    def move(self, target: Reference) -> Wish:
        self.did.append(f"move to {target.live}")
        return MOVED


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "ordering_of", lambda *_: nullcontext())
    monkeypatch.setattr(graph, "now_of", lambda *_: plan.CurrentState())


def carried_out(
    target: Reference,
    confirmed: Reference,
    *changes: plan.Change,
    standing: Collection[str] = (),
    orders: list[Order] | None = None,
) -> list[Any]:
    steps, session = Steps(), type("Session", (), {"api": None, "outputs": lambda self: {}})()
    now = plan.CurrentState(confirmed, ADDRESS, confirmed.live or "")
    judged = Judged(steps, plan.Plan("…", changes), target, now, standing, orders)  # type: ignore[arg-type]
    judged.carry_out(session)
    assert steps.did.pop(0) == "say"
    return steps.did


def test_a_new_release_stands_beside_the_live_one_before_the_address_moves() -> None:
    made = carried_out(TWO, ONE, DROPLET, GATE, MOVE, standing=[V1.key], orders=[Order(V2.key, {})])
    assert made == [
        (V1.key, sorted([V1.key, V2.key]), Wish(made={V2.key: 7})),
        f"move to {V2.key}",
        (V2.key, sorted([V1.key, V2.key]), MOVED),
    ]


def test_what_has_to_come_before_a_droplet_is_made_first() -> None:
    target = TWO.deploying(V3)
    changes = USER, DROPLET, GATE, MOVE
    made = carried_out(target, TWO, *changes, standing=[V1.key, V2.key])
    assert made == [
        (V2.key, sorted([V1.key, V2.key]), Wish(users={"app_1", "app_2"})),
        f"ask for {V3.key}",
        (V2.key, sorted([V1.key, V2.key, V3.key]), Wish(made={V3.key: 7})),
        f"move to {V3.key}",
        (V3.key, sorted([V2.key, V3.key]), MOVED),
    ]


def test_the_first_release_has_no_address_before_it_has_passed() -> None:
    made = carried_out(ONE, Reference(), PUBLIC, USER, DROPLET, GATE, MOVE)
    assert [each[:2] for each in made if isinstance(each, tuple)] == [(None, []), (None, [V1.key]), (V1.key, [V1.key])]
    assert made[-2] == f"move to {V1.key}"


def test_the_way_back_to_a_warm_droplet_is_a_move_and_a_word_in_the_state() -> None:
    back = Reference(TWO.releases, V1.key, V2.key)
    assert carried_out(back, TWO, MOVE, standing=[V1.key, V2.key]) == [
        f"move to {V1.key}",
        (V1.key, sorted([V1.key, V2.key]), MOVED),
    ]


def test_a_droplet_that_stands_and_has_not_passed_has_to_pass_before_the_address_moves() -> None:
    made = carried_out(TWO, ONE, GATE, MOVE, standing=[V1.key, V2.key])
    assert made[0] == (V1.key, sorted([V1.key, V2.key]), Wish(made={})) and made[1] == f"move to {V2.key}"


def test_a_standby_is_made_anew_in_one_apply() -> None:
    made = carried_out(TWO, TWO, DROPLET, GATE, standing=[V2.key], orders=[Order(V1.key, {})])
    assert made == [(V2.key, sorted([V1.key, V2.key]), Wish(made={V1.key: 7}))]


def test_a_live_droplet_that_is_gone_is_made_anew_and_the_graph_moves_the_address() -> None:
    made = carried_out(ONE, ONE, DROPLET, GATE, MOVE, orders=[Order(V1.key, {})])
    assert made == [(V1.key, [V1.key], Wish(made={V1.key: 7}))]


def test_what_is_wished_for_is_said_in_variables_and_the_rest_is_left_to_their_defaults() -> None:
    assert Wish().variables == {}
    said = Wish(made={"v1-a": 7}, moved="ip,7", users={"app_2", "app_1"}, wanted={"v1-a"}).variables
    assert {name: json.loads(value) for name, value in said.items()} == {
        "TF_VAR_made": {"v1-a": "7"},
        "TF_VAR_moved": {"address": "ip,7"},
        "TF_VAR_users": ["app_1", "app_2"],
        "TF_VAR_wanted": ["v1-a"],
    }


class Engine:
    """An engine with one droplet to make, of the release of a key, as soon as a plan has it."""

    def __init__(self, folder: Path, missing: str) -> None:
        self.folder, self.missing, self.applied = folder, missing, list[Reference]()
        self.target = Reference()
        self.session: Any = SimpleNamespace(
            settings=SimpleNamespace(work=folder),
            terraform=lambda: self,
            progress=Progress(),
            host_keys=lambda target: {},
            outputs=Outputs,
        )

    def using(self, variables: object) -> Engine:
        return self

    def resources(self) -> list[Any]:
        return []

    def plan(self, var_file: Path, file: Path) -> list[dict[str, Any]]:
        self.target = reference.read(var_file)
        names = {"addr": "x", "resource_type": plan.DROPLET, "resource_name": "app", "resource_key": self.missing}
        return [{"resource": names, "action": "create"}] if self.missing in self.target.running else []

    def apply_plan(self, file: Path, on_event: object) -> None:
        self.applied.append(self.target)


def test_the_way_back_drops_a_standby_that_it_would_have_to_create(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(tmp_path, missing=V1.key)
    Graph(engine.session, None, tmp_path).restore(TWO, plan.CurrentState(TWO, ADDRESS, V2.key))
    assert [(each.live, each.standby) for each in engine.applied] == [(V2.key, None)]
    assert f"dropping the standby {V1.key}" in capsys.readouterr().err


def test_no_step_creates_a_droplet_that_vanished_during_the_run(tmp_path: Path) -> None:
    engine = Engine(tmp_path, missing=V1.key)
    with pytest.raises(PipelineError, match=f"the droplet of {V1.key} vanished during this run"):
        Graph(engine.session, None, tmp_path).step(TWO, plan.CurrentState(TWO, ADDRESS, V2.key))
    assert engine.applied == []
