"""What a dead run ordered is taken over when it is surely the environment's own, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.cleanup import reap
from slipway.environment.keys import new_key
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.graph import adoption
from slipway.graph.plan import ADDRESS, Change, Plan
from slipway.names import Names
from slipway.progress import Progress
from slipway.runs.account_lock import Holder
from slipway.tools.account import Key
from slipway.tools.digitalocean import Cluster, FloatingIP
from slipway.tools.terraform import state
from slipway.tools.terraform.engine import Root
from tests.unit.slipway.projects import project

OURS = "slipway:shop:local"
KEY = "digitalocean_ssh_key"
CLUSTER = Cluster("c-1", "shop-local", "online", "15", "s", 1, "h", "p", 25060, "doadmin", "secret")


@dataclass
class World:
    """An environment, its account, and what was taken into its states."""

    folder: Path
    addresses: list[FloatingIP] = field(default_factory=list)
    key: Key | None = None
    databases: list[str] = field(default_factory=list)
    in_state: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    keys: list[tuple[int, str]] = field(default_factory=list)

    @property
    def session(self) -> Any:
        progress = Progress()
        progress.warn = self.said.append  # type: ignore[assignment,method-assign]
        engine = SimpleNamespace(
            resources=lambda: self.in_state, adopt=lambda resource, id: self.taken.append((resource, id))
        )
        api = SimpleNamespace(
            floating_ips=lambda: self.addresses, database_names=lambda cluster: self.databases, keys=lambda: self.keys
        )
        settings = SimpleNamespace(
            environment="local",
            names=Names("shop", "local"),
            tag=OURS,
            cluster="shop-local",
            project=project(Path()),
            cloud=None,
        )
        key = SimpleNamespace(public=new_key().public)
        roots = (self.root, self.root)
        return SimpleNamespace(
            api=api,
            settings=settings,
            roots=roots,
            terraform=lambda: engine,
            database=lambda: engine,
            progress=progress,
            key=key,
        )

    @property
    def root(self) -> Root:
        return Root(self.folder, self.folder, self.folder / "backend.tf")

    def elsewhere(self) -> None:
        (self.folder / "backend.tf").write_text("")

    def ordered(self, *before: str) -> None:
        state.order(self.folder, before)

    def adopt(self, outputs: dict[str, Any] | None = None) -> bool:
        return adoption.adopt(self.session, Outputs.parse(outputs or {}))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(adoption, "Account", lambda cloud: SimpleNamespace(key=lambda which: world.key))
    return world


def idle(address: str, region: str = "fra1") -> FloatingIP:
    return FloatingIP(address, region, None)


def ours(address: str) -> FloatingIP:
    return FloatingIP(address, "fra1", 7, ("slipway", OURS))


def test_the_one_address_that_came_since_the_order_is_taken(world: World) -> None:
    world.ordered("a")
    world.addresses = [idle("a"), idle("b"), idle("far", "nyc3"), FloatingIP("web", "fra1", 9, ("web",))]
    assert world.adopt()
    assert world.taken == [(f"{ADDRESS}.public", "b")]
    assert "taking over the floating IP b" in world.said[0]
    assert state.ordered(world.folder) is None


def test_an_address_may_be_of_another_project_that_is_at_work(world: World) -> None:
    def lock(name: str, ago: float) -> str:
        beat = int(time.time() - ago)
        return Holder(name, "deploy", "ann@desk", "r", "elsewhere-1", 1, beat, beat).name

    world.ordered("a")
    world.addresses, world.keys = [idle("b")], [(1, lock("other:local", 3))]
    world.adopt()
    assert world.taken == [] and "b may be of another run that is under way" in world.said[0]
    world.ordered("a")
    world.keys = [(1, lock("other:local", 300)), (2, lock("shop:local", 3))]
    world.adopt()
    assert world.taken == [(f"{ADDRESS}.public", "b")]


def test_of_two_that_came_since_none_is_taken_and_that_is_said(world: World) -> None:
    world.ordered("a")
    world.addresses = [idle("a"), idle("b"), idle("c")]
    world.adopt()
    assert world.taken == [] and "one of the floating IPs b and c was ordered" in world.said[0]


def test_what_points_at_a_droplet_of_ours_and_came_since_is_taken_first(world: World) -> None:
    world.ordered("a")
    world.addresses = [idle("b"), ours("c")]
    world.adopt()
    assert world.taken == [(f"{ADDRESS}.public", "c")]


@pytest.mark.parametrize("addresses", [[idle("b")], [ours("b")]])
def test_without_an_order_nothing_is_taken(world: World, addresses: list[FloatingIP]) -> None:
    world.addresses, world.key = addresses, Key(5, "shop-local")
    assert not world.adopt() and world.taken == []


@pytest.mark.parametrize("addresses", [[idle("b")], [ours("b")]])
def test_what_was_there_before_the_order_is_not_taken(world: World, addresses: list[FloatingIP]) -> None:
    world.ordered("b", "5")
    world.addresses, world.key = addresses, Key(5, "shop-local")
    assert world.adopt() and world.taken == []


def test_a_state_that_everybody_has_vouches_for_names_and_for_nothing_without_one(world: World) -> None:
    world.elsewhere()
    world.addresses, world.key = [idle("b")], Key(5, "shop-local")
    assert not world.adopt()
    assert world.taken == [(f"{KEY}.deploy", "5")]
    world.addresses = [idle("b"), ours("c")]
    world.adopt()
    assert world.taken[-1] == (f"{ADDRESS}.public", "c")


def test_the_deploy_key_is_taken_under_its_own_name_alone(world: World) -> None:
    world.ordered()
    world.key = Key(5, "laptop")
    world.adopt()
    assert world.taken == []
    world.ordered()
    world.key = Key(5, "shop-local")
    world.adopt()
    assert world.taken == [(f"{KEY}.deploy", "5")]


def test_what_the_state_has_is_not_taken_again(world: World) -> None:
    world.ordered()
    world.root.state.write_text('{"serial": 1}')
    world.in_state = [(KEY, {"id": "5"}), (ADDRESS, {"ip_address": "b"})]
    world.addresses, world.key = [idle("b")], Key(5, "shop-local")
    assert world.adopt() and world.taken == []
    assert state.ordered(world.folder) is None


def test_where_something_was_confirmed_nothing_is_looked_for(world: World) -> None:
    world.ordered()
    world.addresses = [idle("b")]
    live = {"version": "v1", "commit": "", "image": "i", "size": "s", "template": "t", "config": {}}
    release = Release.parse(live)
    reference = Reference({release.key: release}, release.key)
    assert not world.adopt({"reference": json.loads(reference.dump())}) and world.taken == []


def test_an_order_is_noted_until_it_ended_well(world: World) -> None:
    world.addresses, world.key = [idle("a")], Key(5, "shop-local")
    made = Plan("", [Change("", ADDRESS, "public", "", ("create",))])
    with pytest.raises(PipelineError), adoption.ordering_of(world.session, made):
        raise PipelineError("killed")
    assert state.ordered(world.folder) == ["a", "5"]
    with adoption.ordering_of(world.session, made):
        assert state.ordered(world.folder) is not None
    assert state.ordered(world.folder) is None


def test_a_plan_that_makes_neither_address_nor_key_notes_nothing(world: World) -> None:
    with adoption.ordering_of(world.session, Plan("", [Change("", "digitalocean_droplet", "app", "v1", ("create",))])):
        assert state.ordered(world.folder) is None


@pytest.mark.parametrize(
    ("before", "known", "taken"),
    [
        ([], [], ["digitalocean_database_cluster.app", "digitalocean_database_db.app"]),
        (["c-1"], [], []),
        (["c-1"], ["digitalocean_database_cluster"], ["digitalocean_database_db.app"]),
        ([], ["digitalocean_database_cluster", "digitalocean_database_db"], []),
    ],
)
def test_a_cluster_that_came_since_the_order_is_taken_with_its_database(
    world: World, before: Sequence[str], known: Sequence[str], taken: Sequence[str]
) -> None:
    world.ordered(*before)
    world.root.state.write_text("{}")
    world.in_state, world.databases = [(kind, {}) for kind in known], ["defaultdb", "app"]
    adoption.adopt_database(world.session, CLUSTER)
    assert [resource for resource, _ in world.taken] == taken


def test_reap_names_what_it_cannot_judge_and_takes_what_a_dead_run_ordered(world: World) -> None:
    world.addresses = [idle("a"), idle("b"), ours("c")]
    left, notes = reap._addresses(world.session, [], "")
    assert left == {} and len(notes) == 2 and "./invoke reap --address a --apply; it costs $5.00 a month" in notes[0]
    world.ordered("a")
    world.addresses = [idle("a"), idle("b")]
    left, notes = reap._addresses(world.session, [], "")
    assert left == {"b": "ordered by a run of local that died"} and len(notes) == 1
    left, notes = reap._addresses(world.session, ["b"], "a")
    assert list(left) == ["a"] and notes == []


@pytest.mark.parametrize("named", ["c", "b", "nowhere"])
def test_an_address_in_use_is_not_removed_by_name(world: World, named: str) -> None:
    world.addresses = [idle("b"), ours("c")]
    with pytest.raises(PipelineError, match="is not left over"):
        reap._addresses(world.session, ["b"], named)


def test_an_address_that_serves_is_never_left_over(world: World) -> None:
    world.ordered()
    world.addresses = [ours("c")]
    assert reap._addresses(world.session, [], "") == ({}, [])
