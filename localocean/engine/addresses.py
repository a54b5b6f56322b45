"""Which address comes next: never one in use, and not at once one that was given back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from localocean.engine.errors import Unprocessable
from localocean.store.records import DatabaseNode, Droplet
from localocean.store.store import Store


def choose(candidates: Iterator[IPv4Address], used: Iterable[str], start: int) -> str:
    """The first free candidate at or after position `start`, going round. Raises Unprocessable when none is left.

    A start that grows with each allocation keeps an address from being reused while somebody's known hosts,
    neighbour table or open connection still means its last owner.
    """
    addresses = [str(address) for address in candidates]
    taken = set(used)
    for position in range(len(addresses)):
        address = addresses[(start + position) % len(addresses)]
        if address not in taken:
            return address
    raise Unprocessable("The local cloud has no address left: delete something, or choose wider ranges.")


def holders(store: Store) -> list[Droplet | DatabaseNode]:
    """All machines, each of which holds a public and a private address."""
    return [*store.droplets.find(), *store.database_nodes.find()]
