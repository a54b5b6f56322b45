"""The machine rooms of one cloud, as the engine uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localcloud.config import Config
from localcloud.host.machines import Machines
from localcloud.host.postgres.authority import Authority
from localcloud.host.postgres.server import Postgres
from localcloud.network import Network
from localcloud.storage.bases import BaseImages
from localcloud.storage.disks import Disks
from localcloud.storage.imports import Imports


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
