"""An environment that stands while its state is in another checkout."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.database import cluster as database
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.graph import adoption
from slipway.names import Names
from slipway.progress import Progress
from slipway.release import takeover
from slipway.runs import run as runs
from slipway.runs.account_lock import Holder
from slipway.tools.account import Key
from slipway.tools.digitalocean import Cluster, Droplet, FloatingIP
from slipway.tools.terraform import state
from slipway.tools.terraform.engine import Root

NAMES = Names("shop", "local")
V1 = Release("v1", "c0ffee", "shop-v1-0123456789ab", "s-1vcpu-1gb", "feed")
DROPLET = Droplet(7, NAMES.droplet(V1.key), "active", "192.0.2.1", tuple(NAMES.tags))
CLUSTER = Cluster("c-1", NAMES.cluster, "online", "15", "s", 1, "h", "p", 25060, "doadmin", "secret")
RESOURCE: tuple[str, Mapping[str, Any]] = ("digitalocean_floating_ip", {"ip_address": "192.0.2.9"})


@dataclass
class World:
    """A checkout and an account."""

    folder: Path
    droplets: list[Droplet] = field(default_factory=list)
    cluster: Cluster | None = None
    keys: list[tuple[int, str]] = field(default_factory=list)
    reference: Reference = Reference()
    outputs: dict[str, Any] = field(default_factory=dict)
    in_state: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    cloud: str = "local"
    taken: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def root(self, name: str) -> Root:
        return Root(self.folder, self.folder / name, self.folder / f"{name}.tf")

    def state(self, name: str) -> None:
        (self.folder / name).mkdir()
        self.root(name).state.write_text('{"serial": 1}')

    @property
    def session(self) -> Any:
        path = self.folder / "local.tfvars.json"
        path.write_text(self.reference.dump())
        api = SimpleNamespace(
            droplets=lambda tag: [each for each in self.droplets if tag in each.tags],
            cluster=lambda name, tag: self.cluster,
            keys=lambda: self.keys,
            database_users=lambda cluster: ["doadmin", "app_1", "reader"],
            remove=self.removed.append,
            floating_ips=lambda: [FloatingIP("idle", "fra1", None), FloatingIP("9", "fra1", 7, DROPLET.tags)],
        )
        engine = SimpleNamespace(resources=lambda: self.in_state, adopt=lambda *both: self.taken.append(both))
        engine.using = lambda variables: engine
        return SimpleNamespace(
            settings=SimpleNamespace(
                names=NAMES,
                tag=NAMES.tag,
                environment="local",
                reference_path=path,
                project=SimpleNamespace(database=object()),
                cloud=SimpleNamespace(name=self.cloud),
            ),
            api=api,
            roots=(self.root("app"), self.root("data")),
            terraform=lambda: engine,
            database=lambda: engine,
            outputs=lambda: Outputs.parse(self.outputs),
            progress=Progress(),
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_first_release_has_nothing_in_its_way(world: World) -> None:
    world.droplets = [replace(DROPLET, tags=tuple(Names("other", "local").tags))]
    world.keys = [(1, "laptop"), (2, "other-local"), (3, "shop-localhost")]
    assert takeover.find(world.session) is None
    takeover.refuse(world.session)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({"droplets": [DROPLET]}, f"there are the droplet shop-local-{V1.key}"),
        ({"cluster": CLUSTER}, "there are the database cluster shop-local"),
        ({"keys": [(5, "shop-local")]}, "there are its deploy key"),
    ],
)
def test_what_stands_without_its_state_is_refused_with_the_ways_on(
    world: World, there: dict[str, Any], says: str
) -> None:
    for name, value in there.items():
        setattr(world, name, value)
    with pytest.raises(PipelineError, match="local of shop stands already, and its state is not in this") as refused:
        takeover.refuse(world.session)
    assert says in refused.value.message
    for way in (".slipway/local/", "id_ed25519", "./invoke takeover", "./invoke cloud.reset"):
        assert way in refused.value.hint


def test_digitalocean_is_not_reset(world: World) -> None:
    world.droplets, world.cloud = [DROPLET], "digitalocean"
    with pytest.raises(PipelineError) as refused:
        takeover.refuse(world.session)
    assert "cloud.reset" not in refused.value.hint


def test_with_its_state_it_is_this_checkouts(world: World) -> None:
    world.droplets, world.cluster, world.keys = [DROPLET], CLUSTER, [(5, "shop-local")]
    world.state("app")
    assert takeover.find(world.session), "a state with nothing in it, as after destroy, knows of nothing"
    world.in_state = [RESOURCE]
    assert takeover.find(world.session) is None
    world.in_state, world.outputs = [], {"floating_ip": "192.0.2.9"}
    assert takeover.find(world.session) is None


def test_an_apply_that_was_cut_short_is_this_checkouts(world: World) -> None:
    world.droplets = [DROPLET]
    state.order(world.root("app").folder, [])
    assert takeover.find(world.session) is None


def test_a_state_that_is_kept_elsewhere_is_everybodys(world: World) -> None:
    world.droplets = [DROPLET]
    world.root("app").backend.write_text("")
    assert takeover.find(world.session) is None


def test_a_database_that_was_kept_is_no_stranger_to_the_checkout_that_kept_it(world: World) -> None:
    world.cluster = CLUSTER
    world.state("data")
    world.in_state = [RESOURCE]
    assert takeover.find(world.session) is None


@pytest.mark.parametrize(
    ("reference", "outputs"),
    [
        (Reference({"x": replace(V1, image="app-v1-0123456789ab")}, "x"), {}),
        (Reference(), {"droplets": {"x": {"id": 1, "name": "app-local-v1-01234567", "address": ""}}}),
    ],
)
def test_what_has_another_projects_name_or_none_is_refused(
    world: World, reference: Reference, outputs: dict[str, Any]
) -> None:
    entry = next(iter(reference.releases.values()), None)
    world.reference = Reference({entry.key: entry}, entry.key) if entry else reference
    world.outputs = outputs
    with pytest.raises(PipelineError, match="does not begin with that of the project shop") as refused:
        takeover.refuse(world.session)
    assert "CHANGELOG.md" in refused.value.hint


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    @contextmanager
    def run(session: Any, what: str) -> Iterator[Any]:
        yield SimpleNamespace(id="mine")

    def adopt(session: Any, outputs: Any) -> bool:
        world.taken.append(("address", f"not {state.ordered(session.roots[0].folder)}"))
        state.settle(session.roots[0].folder)
        return True

    monkeypatch.setattr(runs, "alone", run)
    monkeypatch.setattr(adoption, "adopt", adopt)
    monkeypatch.setattr(adoption, "own_key", lambda session: Key(4, "shop-local"))
    monkeypatch.setattr(
        adoption, "adopt_database", lambda session, cluster: world.taken.append(("cluster", cluster.id))
    )


def holder(run: str, ago: float, lock: str = "shop:local") -> str:
    beat = int(time.time() - ago)
    return Holder(lock, "deploy", "ann@desk", run, "elsewhere-1", 1, beat, beat).name


@pytest.mark.usefixtures("alone")
def test_the_address_the_database_and_its_users_are_taken_and_the_droplets_stay(world: World) -> None:
    world.droplets, world.cluster = [DROPLET], CLUSTER
    others = [(6, "shop-production"), (7, holder("mine", 0)), (8, holder("dead", 900)), (9, holder("x", 0, "shop:eu"))]
    world.keys = [(4, "shop-local"), (5, "shop-local"), *others]
    takeover.take_over(world.session)
    user = ('digitalocean_database_user.app["app_1"]', "c-1,app_1")
    assert world.taken == [("cluster", "c-1"), user, ("address", "not ['idle']")]
    assert world.removed == ["account/keys/5"]
    assert [state.ordered(world.root(name).folder) for name in ("app", "data")] == [None, None]


@pytest.mark.usefixtures("alone")
def test_who_releases_just_now_is_not_taken_over(world: World) -> None:
    world.droplets, world.keys = [DROPLET], [(5, holder("theirs", 5))]
    with pytest.raises(PipelineError, match="Another run has local: deploy by ann@desk"):
        takeover.take_over(world.session)
    assert not world.taken and not world.removed and takeover.find(world.session)


@pytest.mark.usefixtures("alone")
def test_there_must_be_something_to_take(world: World) -> None:
    with pytest.raises(PipelineError, match="nothing to take over"):
        takeover.take_over(world.session)


def test_a_cluster_under_another_name_is_not_taken_for_gone() -> None:
    """The database of a slipway before names of projects, or of before the name was changed."""
    resources = [("digitalocean_database_cluster", {"name": "slipway-local"}), ("digitalocean_tag", {"name": "t"})]
    session: Any = SimpleNamespace(
        api=SimpleNamespace(cluster=lambda name, tag: None),
        settings=SimpleNamespace(
            cluster="shop-local", tag="slipway:shop:local", project=SimpleNamespace(database=object())
        ),
        roots=(None, SimpleNamespace(has_state=True)),
        database=lambda: SimpleNamespace(outputs=lambda: {"cluster": "c-1"}, resources=lambda: resources),
        progress=Progress(),
    )
    for touch in (database._refuse_a_cluster_of_another_name, database.destroy):
        with pytest.raises(PipelineError, match="is the cluster slipway-local, and .* makes that shop-local"):
            touch(session)
