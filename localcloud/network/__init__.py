"""The network of a cloud: two bridges, the routes of its ranges, and one nftables table.

    public bridge    the gateway's address on the host; droplets reach the internet by it, and nothing on the host
    private bridge   the VPC: droplets only, the host has no address there
    floating IPs     one nftables map, so that an address moves in one transaction

Droplets' ports on the public bridge are isolated from each other and the host answers ARP for the whole range, so
everything between droplets, too, is routed here: a droplet is reached by its neighbour's floating IP with its own
source address, and an address that nobody has answers "host unreachable" at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from threading import Lock

from localcloud.config import Config
from localcloud.host import inherit
from localcloud.host.run import run
from localcloud.network import foreign
from localcloud.network.rules import floating_rules, ruleset

RULE_PRIORITY = 5270


class Network:
    """The network of one cloud. All methods can be repeated; none disturbs running droplets."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = Lock()

    def up(self) -> None:
        """Make or repair bridges, routes and rules; the floating IPs that are mapped stay so.

        Raises ``HostError`` when the kernel refuses something.
        """
        config = self._config
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run(["nft", "-f", "-"], input=ruleset(config))
        for bridge in (config.bridge, config.vpc_bridge):
            if not Path(f"/sys/class/net/{bridge}").exists():
                run(["ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0"])
            Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6").write_text("1")
            run(["ip", "link", "set", bridge, "up"])
        Path(f"/proc/sys/net/ipv4/conf/{config.bridge}/proxy_arp_pvlan").write_text("1")
        run(["ip", "address", "replace", f"{config.gateway}/32", "dev", config.bridge])
        run(["ip", "-batch", "-"], input="".join(f"route replace {route}\n" for route in _routes(config)))
        self._drop_rules()
        run(["ip", "-batch", "-"], input="".join(f"rule add {rule}\n" for rule in _rules(config)))
        foreign.accept(config)

    def down(self) -> None:
        """Remove all of it, whatever state it is in."""
        config = self._config
        foreign.forget(config)
        self._drop_rules()
        for route in _routes(config):
            run(["ip", "route", "del", *route.split()], check=False)
        for bridge in (config.bridge, config.vpc_bridge):
            run(["ip", "link", "del", bridge], check=False)
        run(["nft", "-f", "-"], input=f"table inet {config.table}\ndelete table inet {config.table}\n")

    def set_floating(self, table: Mapping[IPv4Address, IPv4Address]) -> None:
        """Make ``table`` (floating IP to public address of a droplet) the whole map, in one transaction."""
        with self._lock:
            self._replace(table)

    def move_floating(self, address: IPv4Address, target: IPv4Address | None) -> None:
        """Point one floating IP at a droplet's public address, or nowhere, in one transaction.

        Connections through it end as they do at DigitalOcean: their next packet meets the new droplet.
        """
        with self._lock:
            table = self.floating()
            table.pop(address, None)
            self._replace(table if target is None else table | {address: target})

    def floating(self) -> dict[IPv4Address, IPv4Address]:
        """The map as the kernel has it."""
        listed = json.loads(run(["nft", "-j", "list", "map", "inet", self._config.table, "floating"]))
        maps = [entry["map"] for entry in listed["nftables"] if "map" in entry]
        return {IPv4Address(key): IPv4Address(value) for key, value in maps[0].get("elem", [])}

    def nameservers(self) -> list[str]:
        """The name servers that droplets are to use."""
        return inherit.nameservers()

    def _replace(self, table: Mapping[IPv4Address, IPv4Address]) -> None:
        before = self.floating()
        changed = [a for a in before.keys() | table.keys() if before.get(a) != table.get(a)]
        if not changed:
            return
        bridge, gateway = self._config.bridge, self._config.gateway
        added = "".join(f"route replace {a}/32 dev {bridge} src {gateway}\n" for a in table.keys() - before.keys())
        gone = "".join(f"route del {a}/32 dev {bridge}\n" for a in before.keys() - table.keys())
        run(["ip", "-batch", "-"], input=added)
        run(["nft", "-f", "-"], input=floating_rules(self._config, table))
        run(["ip", "-force", "-batch", "-"], input=gone, check=False)
        for address in changed:
            run(["conntrack", "-D", "-f", "ipv4", "--orig-dst", str(address)], check=False)

    def _drop_rules(self) -> None:
        for number in _numbers(self._config.range):
            run(["ip", "rule", "del", "priority", str(number)], check=False)


def _routes(config: Config) -> list[str]:
    """The range belongs to this host, except for what has a route of its own; the VPC is nowhere to be found."""
    return [
        f"local {config.range} dev lo table main src {config.gateway}",
        f"unreachable {config.vpc_range}",
        f"unreachable {config.range} table {_numbers(config.range)[1]}",
    ]


def _rules(config: Config) -> list[str]:
    """For what the host itself sends, an address without a route of its own is unreachable (at once: connect(2)
    fails, where an ICMP reply would only be heard at the first retransmission)."""
    first, second = _numbers(config.range)
    return [
        f"priority {first} iif lo to {config.range} lookup main suppress_prefixlength 31",
        f"priority {second} iif lo to {config.range} lookup {second}",
    ]


def _numbers(network: IPv4Network) -> tuple[int, int]:
    """Priorities of a cloud's own (the second is its routing table, too): no two clouds of a machine share a range."""
    first = RULE_PRIORITY + 2 * (int(network.network_address) >> 4 & 0x1FFF)
    return first, first + 1
