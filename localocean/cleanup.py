"""Ending a cloud from outside, also when its server is dead: afterwards the kernel has nothing of it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from localocean.config import Config
from localocean.host import orphans
from localocean.host.errors import HostError
from localocean.host.machines import Machines
from localocean.network import Network, bridges
from localocean.storage.disks import Disks


def teardown(config: Config) -> None:
    """End all machines at once, unmount all disks, remove the network. What is on disk stays.

    What fails for one machine keeps nothing else from its end; then HostError is raised in the end.
    Where another cloud has the bridge, this one is not there, and nothing of the other's is touched.
    """
    orphans.end()
    if not bridges.ours(config, config.bridge):
        return
    machines, disks = Machines(config), Disks(config)

    def end(droplet_id: int) -> None:
        disks.release(droplet_id)
        machines.kill(droplet_id)

    failed = [
        *_failed(end, machines.known() | disks.mounted()),
        *_failed(disks.unmount, disks.mounted()),
    ]
    Network(config).down()
    if failed:
        raise HostError(f"Something of {len(failed)} machines is left: {failed[0].message}", failed[0].hint)


def _failed(work: Callable[[int], None], droplet_ids: Iterable[int]) -> list[HostError]:
    """Do the work for all, and return what failed."""
    found: list[HostError] = []
    for droplet_id in sorted(droplet_ids):
        try:
            work(droplet_id)
        except HostError as error:
            found.append(error)
        except OSError as error:
            found.append(HostError(f"{error.filename or droplet_id}: {error.strerror}."))
    return found
