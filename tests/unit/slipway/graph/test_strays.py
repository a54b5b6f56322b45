"""What a run that died made for its release, and no state knows of, is removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from slipway.environment.outputs import Group, Member, Outputs
from slipway.environment.reference import Reference, Release
from slipway.graph import strays
from slipway.progress import Progress
from slipway.tools.terraform.engine import Root


@dataclass
class World:
    """A cloud's answers, and what was removed from it."""

    removed: list[str]
    target: int = 3

    def droplets(self, tag: str) -> list[Any]:
        return [SimpleNamespace(id=number, name=f"app-{number}") for number in (1, 2, 3, 4)]

    def floating_ip_targets(self) -> set[int]:
        return {self.target}

    def cluster(self, name: str, tag: str) -> Any:
        return SimpleNamespace(id="c")

    def database_users(self, cluster: str) -> list[str]:
        return ["doadmin", "app_1", "app_2", "v-token-app-x", "app_3"]

    def remove(self, path: str) -> bool:
        self.removed.append(path)
        return True


def test_only_what_no_state_knows_and_no_address_points_at_is_removed(tmp_path: Path) -> None:
    world = World([])
    resources = [("digitalocean_droplet", {"id": "2"}), ("digitalocean_database_user", {"name": "app_2"})]
    session: Any = SimpleNamespace(
        api=world,
        roots=(Root(tmp_path, tmp_path, tmp_path / "backend.tf"),),
        progress=Progress(),
        settings=SimpleNamespace(tag="t", cluster="c", project=SimpleNamespace(database=object())),
        terraform=lambda: SimpleNamespace(resources=lambda: resources),
    )
    live = {"version": "v1", "commit": "", "image": "i", "size": "s", "template": "t", "database_user": "app_1"}
    release = Release.parse({**live, "config": {}})
    reference = Reference({release.key: release}, release.key)
    outputs = Outputs(groups={"x": Group("x", (Member(1, "app-1", "192.0.2.1"),))}, confirmed=reference)
    strays.remove_strays(session, outputs)
    assert world.removed == [], "without a state here nothing is known to be a stray"
    session.roots[0].state.write_text('{"serial": 1}')
    assert strays.remove_strays(session, outputs), "one has the traffic, and can go later"
    assert world.removed == ["droplets/4", "databases/c/users/app_3"]
    world.target = 1
    assert not strays.remove_strays(session, outputs)
    assert "droplets/3" in world.removed
