"""What status says of a world that is not what git says."""

from __future__ import annotations

from dataclasses import asdict, replace

from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.reports import status
from slipway.tools.digitalocean import Droplet

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed")
V2 = replace(V1, version="v2", image="app-v2-0123456789ab")
V3 = replace(V1, version="v3", image="app-v3-0123456789ab")
WANTED = Reference().deploying(V1).deploying(V2)
OUTPUTS = Outputs.parse(
    {"reference": {"live": V2.key, "standby": V1.key, "releases": {each.key: asdict(each) for each in (V1, V2)}}}
)


def droplets(*releases: Release, status: str = "active") -> dict[int, Droplet]:
    return {
        id: Droplet(id, f"app-local-{each.key}", status, "192.0.2.1", (), "", 7, each.size, 6.0, 0.01)
        for id, each in enumerate(releases, 1)
    }


def problems(*releases: Release, world: dict[int, Droplet], target: int = 2) -> list[str]:
    keys = {id: each.key for id, each in enumerate(releases, 1)}
    return status._problems(WANTED, OUTPUTS, target, keys, world)


def test_what_git_says_is_no_problem() -> None:
    assert problems(V1, V2, world=droplets(V1, V2)) == []


def test_a_droplet_that_nothing_needs_is_one_whether_the_state_knows_it_or_not() -> None:
    world = droplets(V1, V2, V3)
    assert problems(V1, V2, V3, world=world) == [
        f"the droplet of {V3.key} stands, and git says that it is not needed: ./invoke deploy"
    ]
    assert problems(V1, V2, world=world) == [f"droplet app-local-{V3.key} is in no state"]


def test_a_droplet_that_is_off_or_gone_or_carries_the_wrong_traffic_is_one() -> None:
    assert problems(V1, V2, world=droplets(V1, V2, status="off")) == [
        f"the droplet of {V1.key} is off",
        f"the droplet of {V2.key} is off",
    ]
    assert problems(V1, V2, world=droplets(V1)) == [f"the droplet of {V2.key} is gone"]
    assert problems(V1, V2, world=droplets(V1, V2), target=1) == [
        f"the floating IP points at {V1.key}, and git says {V2.key}"
    ]
