"""Who may reach a database: rules for the public network, which is routed, and for the private ones, which are bridged.

A database is met at its three ports by its trusted sources alone, and by nobody at any other; whoever else asks hears
nothing, as at DigitalOcean. Each packet is looked at, so a source that is trusted no more loses what it had open.
On a private network a droplet is known by its interface, whatever address it says it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from localocean.config import Config

PORTS = "{ 9273, 25060, 25061 }"
SETS = {
    "inet": {"databases": "ipv4_addr", "trusted": "ipv4_addr . ipv4_addr; flags interval"},
    "bridge": {
        "databases": "ifname",
        "trusted": "ipv4_addr . ipv4_addr; flags interval",
        "members": "ifname . ipv4_addr",
    },
}


@dataclass(frozen=True)
class Machine:
    """A machine by what the network knows of it: its addresses, and its interface on the private network."""

    public_address: IPv4Address
    private_address: IPv4Address
    private_interface: str


@dataclass(frozen=True)
class Entrance:
    """A machine with a database, and who may enter: machines, and networks that need not be ours."""

    database: Machine
    machines: tuple[Machine, ...]
    networks: tuple[IPv4Network, ...]


def sets(family: str) -> list[str]:
    """The declarations of the sets that the rules of a family look into."""
    return [f" set {name} {{ type {kind}; }}" for name, kind in SETS[family].items()]


def routed_rules() -> list[str]:
    """The chain for packets to a database's public address; what comes back from it is sent on."""
    return [
        "ct direction reply return",
        f"tcp dport {PORTS} ip daddr . ip saddr @trusted return",
        "drop",
    ]


def ruleset(config: Config, entrances: Iterable[Entrance]) -> str:
    """One transaction that makes these the databases, and theirs the trusted sources, on both kinds of network."""
    return _bridge_table(config) + _elements(config, list(entrances))


def without(config: Config) -> tuple[str, str]:
    """Two transactions, one for each kind of network, after which there is no database."""
    table = f"bridge {config.table}"
    return (
        "".join(_refill(f"inet {config.table}", name, []) for name in SETS["inet"]),
        f"table {table}\ndelete table {table}\n",
    )


def _bridge_table(config: Config) -> str:
    """The table for the private networks; its sets are kept if they are there."""
    table = f"bridge {config.table}"
    chains = {
        "forward": ["oifname @databases jump database"],
        "database": [
            "ether type arp accept",
            f"tcp dport {PORTS} ip daddr . ip saddr @trusted accept",
            f"tcp dport {PORTS} iifname . ip daddr @members accept",
            # Answers to what the database itself asked; a connection to it begins with SYN alone.
            f"tcp dport != {PORTS} tcp flags & (syn | ack) != syn accept",
            "drop",
        ],
    }
    lines = [f"table {table} {{", *sets("bridge")]
    lines += [" chain forward { type filter hook forward priority filter; policy accept; }", " chain database { }", "}"]
    lines += [f"flush chain {table} {chain}" for chain in chains]
    lines += [f"add rule {table} {chain} {rule}" for chain, rules in chains.items() for rule in rules]
    return "\n".join(lines) + "\n"


def _elements(config: Config, listed: list[Entrance]) -> str:
    public = [f"{one.database.public_address} . {source}" for one in listed for source in _public(one)]
    private = [
        f"{one.database.private_address} . {source}" for one in listed for source in collapse_addresses(one.networks)
    ]
    members = [
        f'"{each.private_interface}" . {one.database.private_address}' for one in listed for each in one.machines
    ]
    inet, bridge = f"inet {config.table}", f"bridge {config.table}"
    elements = {
        (inet, "databases"): [str(one.database.public_address) for one in listed],
        (inet, "trusted"): public,
        (bridge, "databases"): [f'"{one.database.private_interface}"' for one in listed],
        (bridge, "trusted"): private,
        (bridge, "members"): members,
    }
    return "".join(_refill(table, name, found) for (table, name), found in elements.items())


def _public(entrance: Entrance) -> Iterable[IPv4Network]:
    """No two of them overlap, which the kernel would refuse."""
    machines = [IPv4Network(machine.public_address) for machine in entrance.machines]
    return collapse_addresses([*machines, *entrance.networks])


def _refill(table: str, name: str, elements: list[str]) -> str:
    lines = [f"flush set {table} {name}"]
    if elements:
        lines.append(f"add element {table} {name} {{ {', '.join(elements)} }}")
    return "\n".join(lines) + "\n"
