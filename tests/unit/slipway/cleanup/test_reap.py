"""What is left over, and what is not: decisions about facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.cleanup import reap, remains
from slipway.cleanup.remains import Facts, Leftover
from slipway.errors import PipelineError
from slipway.image.image import Inputs
from slipway.names import Names
from slipway.progress import Progress
from slipway.runs.account_lock import Holder
from slipway.tools.digitalocean import Cluster, Droplet, Image, Volume

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOTHING = Facts(now=NOW, names=Names("shop", "local"), keep=2)
RUN, KEY = "20261121T100000Z-abcdef", "slipway-run:shop:20261121T100000Z-abcdef"
OURS = "slipway:shop:local"


def ago(**age: float) -> str:
    return f"{NOW - timedelta(**age):%Y-%m-%dT%H:%M:%SZ}"


def droplet(id: int, *tags: str, age: float = 2, image: int = 0) -> Droplet:
    return Droplet(id, f"d{id}", "active", "", tags, ago(hours=age), image, "s-1vcpu-1gb", 6.0, 0.00893)


def images(count: int, project: str = "shop") -> list[Image]:
    """v1 is the oldest."""
    found = []
    for number in range(1, count + 1):
        inputs = Inputs(project, f"{number:012x}", "d" * 12, "e" * 12, "debian-12-x64", "c", "f" * 12)
        tags = tuple(inputs.tags(f"v{number}", "c0ffee"))
        found.append(Image(number, inputs.name(f"v{number}"), ago(hours=100 - number), 0.5, tags))
    return found


def kinds(found: Sequence[Leftover]) -> list[tuple[str, str]]:
    return [(left.kind, left.id) for left in found]


def found(**facts: Any) -> list[tuple[str, str]]:
    return kinds(remains.find(replace(NOTHING, **facts)))


def build(id: int = 1, age: float = 2) -> Droplet:
    return droplet(id, "slipway-build", KEY, age=age)


def test_an_empty_account_has_nothing_left_over() -> None:
    assert remains.find(NOTHING) == []


def test_a_dead_run_of_this_checkout_leaves_its_droplet_its_key_and_its_tag_however_young() -> None:
    left = remains.find(
        replace(NOTHING, ended=frozenset({RUN}), droplets=[build(age=0)], keys=[(5, KEY)], tags={KEY: 1, "other": 0})
    )
    assert kinds(left) == [("droplet", "1"), ("key", "5"), ("tag", KEY)]
    assert left[0].monthly == 6.0 and left[0].path == "droplets/1"
    assert found(ended=frozenset({RUN}), keys=[(5, KEY)], tags={KEY: 0}) == [("key", "5"), ("tag", KEY)]


def test_a_run_that_goes_on_keeps_everything_however_old() -> None:
    assert not found(alive=frozenset({RUN}), droplets=[build(age=50)], keys=[(5, KEY)], tags={KEY: 1})
    assert not found(alive=frozenset({RUN}), keys=[(5, KEY)], tags={KEY: 0})


def test_a_run_that_nobody_here_knows_is_over_when_it_is_old() -> None:
    assert not found(droplets=[build(age=0.9)], older_than=timedelta(hours=1))
    assert found(droplets=[build(age=1.1)], older_than=timedelta(hours=1)) == [("droplet", "1")]
    assert found(keys=[(5, KEY)], older_than=timedelta(hours=1)) == [("key", "5")]
    assert not found(keys=[(5, KEY)], older_than=timedelta(hours=3))


def test_a_droplet_behind_a_floating_ip_is_never_left_over() -> None:
    behind = frozenset({1, 2})
    droplets = [build(1, age=50), droplet(2, OURS, age=50)]
    assert not found(droplets=droplets, addressed=behind, in_state={}, ended=frozenset({RUN}))


def test_other_droplets_are_nobodys_business() -> None:
    others = [droplet(1), droplet(2, "slipway-build"), droplet(3, "slipway:shop:production"), droplet(4, KEY)]
    assert not found(droplets=others, in_state={}, ended=frozenset({RUN}))


def test_a_candidate_that_no_state_knows_is_left_over() -> None:
    droplets = [droplet(1, OURS), droplet(2, OURS), droplet(3, OURS, age=0.1)]
    assert found(droplets=droplets, in_state={"d1": 1}) == [("droplet", "2")]


def test_a_droplet_that_the_reference_wants_is_known_unless_the_state_has_another() -> None:
    standby = replace(droplet(1, OURS), name="shop-local-v1-01234567")
    wanted = frozenset({"v1-01234567"})
    assert not found(droplets=[standby], in_state={}, wanted=wanted)
    assert found(droplets=[standby], in_state={"shop-local-v1-01234567": 2}, wanted=wanted) == [("droplet", "1")]


def test_without_the_state_no_candidate_is_judged() -> None:
    assert not found(droplets=[droplet(1, OURS, age=500)], in_state=None)


def test_a_temporary_key_of_packers_tells_its_age_and_not_whose_it_is() -> None:
    def key(**age: float) -> str:
        seconds = int((NOW - timedelta(**age)).timestamp())
        return f"packer-{seconds:08x}-7a3c-1f2e-9b1d-5c1a2b3c4d5e"

    assert remains.made_by_packer(key(hours=3)) == NOW - timedelta(hours=3)
    assert remains.made_by_packer("packer-me") is None and remains.made_by_packer("laptop") is None
    assert not found(keys=[(5, key(hours=500))])


def test_the_lock_of_a_dead_run_goes_and_that_of_a_living_one_stays() -> None:
    def lock(lock: str, silent: float) -> str:
        beat = int(NOW.timestamp() - silent)
        return Holder(lock, "deploy", "me", "run", "elsewhere", 1, beat, beat).name

    keys = [
        (1, lock("shop:local", 10)),
        (2, lock("shop:local", 4000)),
        (3, lock("shop:production", 4000)),
        (4, lock("shop:local", 10)),
    ]
    assert found(keys=keys, dead_locks=frozenset({4})) == [("key", "2"), ("key", "4")]


def test_images_beyond_the_newest_go_unless_something_refers_to_them() -> None:
    all = images(6)
    assert found(images=all, named=frozenset()) == [("image", "4"), ("image", "3"), ("image", "2"), ("image", "1")]
    named = frozenset({all[0].name})
    assert found(images=all, named=named, droplets=[droplet(9, image=3)]) == [("image", "4"), ("image", "2")]


def test_what_git_cannot_tell_is_kept() -> None:
    assert not found(images=images(6), named=None)


def test_other_peoples_images_are_kept() -> None:
    others = [Image(n, f"backup-{n}", ago(days=n), 1.0, ()) for n in range(9)]
    assert not found(images=others, named=frozenset())


def test_an_image_without_its_labels_is_left_over_when_it_is_old() -> None:
    half = replace(images(1)[0], tags=("slipway:shop",))
    assert found(images=[half], named=frozenset()) == [("image", "1")]
    assert not found(images=[replace(half, created_at=ago(minutes=1))], named=frozenset())
    assert not found(images=[half], named=frozenset({half.name}))
    assert not found(images=[half], named=frozenset(), droplets=[droplet(9, image=1)])


def test_the_clusters_of_old_drills_go_and_the_database_stays() -> None:
    def cluster(name: str, age: float, tag: str = OURS) -> Cluster:
        numbers = "15", "db-s-1vcpu-1gb", 1, "h", "p", 25060
        return Cluster(name, name, "online", *numbers, "doadmin", "secret", created_at=ago(hours=age), tags=(tag,))

    old, young = (NOTHING.names.drill("0" * 6, end) for end in ("aaaa", "bbbb"))
    clusters = [cluster("shop-local", 900), cluster(old, 4), cluster(young, 1)]
    # What another environment is called must not make its database one of ours.
    clusters.append(cluster("shop-local-drill-x", 900, "slipway:shop:local-drill-x"))
    left = remains.find(replace(NOTHING, clusters=clusters))
    assert kinds(left) == [("cluster", old)] and left[0].monthly is None


def test_volumes_of_ours_that_no_droplet_has() -> None:
    def volume(id: str, *tags: str, attached: bool = False) -> Volume:
        return Volume(id, "volume", id, ago(hours=2), 10, tags, attached)

    volumes = [volume("a", OURS), volume("b", OURS, attached=True), volume("c", "slipway")]
    assert found(volumes=volumes) == [("volume", "a")]


def test_nothing_of_another_project_is_left_over() -> None:
    """The same environment, the same versions, and a project whose name begins with ours."""
    for other in ("other", "shop-eu"):
        theirs = Names(other, "local")
        run, beat = theirs.run(RUN), int(NOW.timestamp() - 5000)
        lock = Holder(theirs.lock, "deploy", "me", "run", "elsewhere", 1, beat, beat).name
        droplets = [
            replace(droplet(1, *theirs.tags, age=500), name=theirs.droplet("v1-01234567")),
            droplet(2, *theirs.build_tags(RUN), age=500),
        ]
        numbers = "15", "db-s-1vcpu-1gb", 1, "h", "p", 25060, "doadmin", "secret"
        drill = Cluster(
            "c", theirs.drill("0" * 6, "aaaa"), "online", *numbers, created_at=ago(days=9), tags=(theirs.tag,)
        )
        unfinished = [replace(each, tags=()) for each in images(1, other)]
        assert not found(
            droplets=droplets,
            keys=[(1, run), (2, lock), (3, theirs.deploy_key)],
            tags={run: 0, theirs.project_tag: 2},
            images=[*images(6, other), *unfinished],
            clusters=[drill],
            volumes=[Volume("v", "volume", "v", ago(days=9), 10, tuple(theirs.tags), False)],
            in_state={},
            named=frozenset(),
            dead_locks=frozenset({2}),
        )


def test_the_sum_leaves_out_what_has_no_price() -> None:
    left = [Leftover("droplet", "1", "d", "", "", "", 6.0), Leftover("cluster", "2", "c", "", "", "", None)]
    reaped = reap.Reaped(False, left, ["a note"])
    assert reaped.as_json()["monthly"] == 6.0
    text = reap.render(reaped)
    assert "2 things, $6.00 a month. --apply removes them." in text and "! a note" in text


@pytest.mark.parametrize(("problem", "says"), [("locked", "✗ the droplet d is still there: locked"), ("", "1 removed")])
def test_what_could_not_be_removed_is_said(problem: str, says: str) -> None:
    left = Leftover("droplet", "1", "d", "", "", "", 6.0, removed=not problem, problem=problem)
    assert says in reap.render(reap.Reaped(True, [left], []))


def test_the_tag_by_which_a_droplet_is_found_outlives_it() -> None:
    gone: list[str] = []

    def refuse(path: str) -> bool:
        if path == "droplets/1":
            raise PipelineError("Droplet already has a pending event.")
        gone.append(path)
        return True

    session: Any = SimpleNamespace(api=SimpleNamespace(remove=refuse), progress=Progress())
    left = [Leftover("droplet", "1", "d", "", "droplets/1"), Leftover("key", "5", "k", "", "account/keys/5")]
    done = reap.remove(session, [*left, Leftover("tag", "t", "t", "", "tags/t")])
    assert gone == ["account/keys/5"]
    assert [each.removed for each in done] == [False, True, False]
    assert done[0].problem == "Droplet already has a pending event."
