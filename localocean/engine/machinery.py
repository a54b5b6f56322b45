"""The machine rooms of one cloud, as the engine uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localocean.config import Config
from localocean.host.machines import Machines
from localocean.host.postgres.authority import Authority
from localocean.host.postgres.server import Postgres
from localocean.network import Network
from localocean.storage.bases import BaseImages
from localocean.storage.disks import Disks
from localocean.storage.imports import Imports


@dataclass(frozen=True)
class Machinery:
    """Disks, machines, network, base images, and the database server in a machine of that name."""

    disks: Disks
    machines: Machines
    network: Network
    bases: BaseImages
    imports: Imports
    authority: Authority
    postgres: Callable[[str], Postgres]

    @classmethod
    def of(cls, config: Config) -> Machinery:
        disks = Disks(config)
        return cls(
            disks,
            Machines(config),
            Network(config),
            BaseImages(config),
            Imports(config, disks),
            Authority(config.state / "databases", config.range),
            Postgres,
        )
