"""Ending a cloud from outside, also when its server is dead: afterwards the kernel has nothing of it any more."""

from __future__ import annotations

from localcloud.config import Config
from localcloud.host import orphans
from localcloud.host.machines import Machines
from localcloud.network import Network, bridges
from localcloud.storage.disks import Disks


def teardown(config: Config) -> None:
    """End all machines at once, unmount all disks, remove the network. What is on disk stays.

    Where another cloud has the bridge, this one is not there, and nothing of the other's is touched.
    """
    orphans.end()
    if not bridges.ours(config, config.bridge):
        return
    machines, disks = Machines(config), Disks(config)
    for droplet_id in machines.known() | disks.mounted():
        machines.kill(droplet_id)
    for droplet_id in disks.mounted():
        disks.unmount(droplet_id)
    Network(config).down()
