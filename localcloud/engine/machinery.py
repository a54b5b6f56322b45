"""The machine rooms of one cloud, as the engine uses them."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.config import Config
from localcloud.host.machines import Machines
from localcloud.network import Network
from localcloud.storage.bases import BaseImages
from localcloud.storage.disks import Disks
from localcloud.storage.imports import Imports


@dataclass(frozen=True)
class Machinery:
    """Disks, machines, network and base images."""

    disks: Disks
    machines: Machines
    network: Network
    bases: BaseImages
    imports: Imports

    @classmethod
    def of(cls, config: Config) -> Machinery:
        disks = Disks(config)
        return cls(disks, Machines(config), Network(config), BaseImages(config), Imports(config, disks))
