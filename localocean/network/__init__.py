"""The network of a cloud: a bridge that is its gateway, a bridge that is its VPC, routes, and one nftables table.

public      each droplet's interface is routed, none is a port of the bridge: the host has a route to each, is the
            gateway, and answers ARP for the whole range; so whatever droplets send each other is routed here, a
            neighbour's floating IP is reached with one's own source address, nobody can use an address that is
            not his, and one that nobody has answers "host unreachable" at once
private     each VPC is a bridge with droplets and databases only; the host has no address there, and nobody can use
            an address that is a neighbour's
databases   met by their trusted sources alone, at two ports, on both networks
outside     the internet by the host's default route, and of private networks what droplets need
floating    one nftables map, so that an address moves in one transaction; what it translates to is the anchor address
            that each droplet has beside its public one, as at DigitalOcean
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from localocean.config import Config
from localocean.host import inherit
from localocean.host.errors import HostError
from localocean.host.run import run
from localocean.network import bridges, connections, databases, foreign, ipv6, outside
from localocean.network.rules import floating_rules, muted_rules, private_rules, ruleset

log = logging.getLogger("localocean.network")

RULE_PRIORITY = 5270
GRACE_S = 0.25
"""What a request that is on its way when an address moves has to be answered."""
DISABLED, FORWARDING = "0", "3"


class Network:
    """The network of one cloud. All methods can be repeated; none disturbs running droplets."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = Lock()
        self._surveying = Lock()
        self._wanted: set[tuple[str, int]] = set()
        self._outside: outside.Outside | None = None

    def up(self) -> None:
        """Make or repair interfaces, routes and rules; floating IPs that are mapped stay so, nobody stays muted.

        Raises ``HostError`` when the kernel refuses something.
        """
        config = self._config
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run(["nft", "-f", "-"], input=ruleset(config))
        bridges.make(config, config.bridge)
        bridges.make_private(config, config.vpc_bridge)
        heard = "".join(f"link set dev {port} state {FORWARDING}\n" for port in bridges.ports(config))
        run(["bridge", "-force", "-batch", "-"], input=heard, check=False)
        address = f"{config.gateway}/{config.range.prefixlen}"
        run(["ip", "address", "replace", address, "dev", config.bridge])
        run(["ip", "address", "replace", f"{config.anchor_gateway}/32", "dev", config.bridge])
        run(["ip", "-batch", "-"], input="".join(f"route replace {route}\n" for route in _routes(config)))
        self._drop_rules()
        run(["ip", "-batch", "-"], input="".join(f"rule add {rule}\n" for rule in _rules(config)))
        ipv6.up(config)
        foreign.accept(config)
        self.refresh(anew=True)

    def refresh(self, *, anew: bool = False) -> None:
        """Agree with what there is beyond this machine now: its uplinks, and where droplets find what they need."""
        with self._surveying:
            self._wanted = outside.wanted() if anew else self._wanted
            found = outside.survey(self._wanted)
            if anew or found != self._outside:
                run(["nft", "-f", "-"], input=outside.elements(self._config, found))
                self._outside = found

    def down(self) -> None:
        """Remove all of it, whatever state it is in."""
        config = self._config
        foreign.forget(config)
        ipv6.down(config)
        self._drop_rules()
        for route in _routes(config):
            run(["ip", "route", "del", *route.split()], check=False)
        for link in (config.bridge, *bridges.private(config)):
            bridges.remove(config, link)
        self.set_databases([])
        run(["nft", "-f", "-"], input=f"table inet {config.table}\ndelete table inet {config.table}\n")
        # What machines may send on private networks; each brought its part of it (see localocean/host/attach.sh).
        text = f"table netdev {config.table}\ndelete table netdev {config.table}\n"
        run(["nft", "-f", "-"], input=text, check=False)

    def make_vpc(self, bridge: str) -> None:
        """Have the bridge of a VPC."""
        bridges.make_private(self._config, bridge)

    def remove_vpc(self, bridge: str) -> None:
        """Remove the bridge of a VPC that has no members; the cloud's first stays as long as the cloud."""
        if bridge != self._config.vpc_bridge:
            bridges.remove(self._config, bridge)

    def set_private(self, ranges: Iterable[IPv4Network]) -> None:
        """Say which ranges are VPCs', so that no droplet looks for their addresses elsewhere, in one transaction."""
        run(["nft", "-f", "-"], input=private_rules(self._config, ranges))

    def set_databases(self, entrances: Iterable[databases.Entrance]) -> None:
        """Say which machines are databases and who may reach them, in one transaction.

        Without any there is no table for bridged traffic, which not every kernel can filter.
        """
        if listed := list(entrances):
            run(["nft", "-f", "-"], input=databases.ruleset(self._config, listed))
        else:
            for text in databases.without(self._config):
                run(["nft", "-f", "-"], input=text, check=False)

    def enable_ipv6(self) -> None:
        """Make ready for droplets that have IPv6. Raises ``HostError`` when this host has none."""
        if not ipv6.available():
            raise HostError("This machine has no IPv6.", "Create droplets without it.")
        ipv6.forward()

    def set_floating(self, table: Mapping[IPv4Address, IPv4Address]) -> None:
        """Make ``table`` (floating IP to public address of a droplet) the whole map, in one transaction."""
        with self._lock:
            self._replace(table, set(table))

    def move_floating(self, address: IPv4Address, target: IPv4Address | None) -> None:
        """Point one floating IP at a droplet's public address, or nowhere, in one transaction.

        New connections reach the new droplet at once. When the address goes from one droplet to another, those that
        are open have ``GRACE_S`` to end by themselves. Then they are ended, for both of their ends. Raises
        ``HostError`` when the address cannot be moved: then it points where it did.
        """
        with self._lock:
            before = self.floating()
            others = {a: found for a, found in before.items() if a != address}
            changes_droplets = target is not None and before.get(address) not in (None, target)
            try:
                table = others if target is None else others | {address: target}
                self._replace(table, set() if changes_droplets else {address})
            except HostError:
                self._map(before)
                raise
        if changes_droplets:
            Timer(GRACE_S, self._end_old, [address]).start()

    def _end_old(self, address: IPv4Address) -> None:
        """End what is connected through a floating IP to any but the droplet that it points at by now."""
        with self._lock:
            try:
                target = self.floating().get(address)
                connections.end(address, self._config.anchor_address(target) if target else None)
            except HostError as error:
                log.error("connections through %s go on: %s", address, error)

    def detach(self, target: IPv4Address) -> None:
        """Point nowhere whatever points at a droplet's public address."""
        with self._lock:
            table = self.floating()
            changed = {address for address, found in table.items() if found == target}
            if changed:
                self._replace({a: found for a, found in table.items() if a not in changed}, changed)

    def floating(self) -> dict[IPv4Address, IPv4Address]:
        """The map as the kernel has it."""
        listed = json.loads(run(["nft", "-j", "list", "map", "inet", self._config.table, "floating"]))
        maps = [entry["map"] for entry in listed["nftables"] if "map" in entry]
        elements = maps[0].get("elem", [])
        return {IPv4Address(key): self._config.anchored(IPv4Address(value)) for key, value in elements}

    def mute(self, interfaces: tuple[str, str], muted: bool = True) -> None:
        """Let nothing through a droplet's interfaces (see ``Config.interfaces``), or everything again."""
        public, private = interfaces
        run(["nft", "-f", "-"], input=muted_rules(self._config, public, muted))
        run(["bridge", "link", "set", "dev", private, "state", DISABLED if muted else FORWARDING], check=False)

    def nameservers(self) -> list[str]:
        """The name servers that droplets are to use."""
        return inherit.nameservers()

    def _replace(self, table: Mapping[IPv4Address, IPv4Address], changed: set[IPv4Address]) -> None:
        """Repeatable at any stage, and all of it is done again: a crash may have left routes or connections behind."""
        bridge, gateway = self._config.bridge, self._config.gateway
        routed = self._routed()
        added = "".join(f"route replace {a}/32 dev {bridge} src {gateway}\n" for a in table.keys() - routed)
        gone = "".join(f"route del {a}/32 dev {bridge}\n" for a in routed - table.keys())
        run(["ip", "-batch", "-"], input=added)
        self._map(table)
        # An address that points nowhere keeps its route until its connections have heard of their end.
        for address in changed | (routed - table.keys()):
            target = table.get(address)
            connections.end(address, self._config.anchor_address(target) if target else None)
        run(["ip", "-force", "-batch", "-"], input=gone, check=False)

    def _map(self, table: Mapping[IPv4Address, IPv4Address]) -> None:
        run(["nft", "-f", "-"], input=floating_rules(self._config, self.floating(), table))

    def _routed(self) -> set[IPv4Address]:
        """The floating IPs that the host has a route for."""
        network, bridge = str(self._config.floating_network), self._config.bridge
        listed = json.loads(run(["ip", "-json", "route", "show", "dev", bridge, "root", network]) or "[]")
        return {IPv4Address(route["dst"]) for route in listed if "/" not in route["dst"]}

    def _drop_rules(self) -> None:
        """What makes unreachable goes before what makes an exception to it, so that no address is without an answer."""
        for number in reversed(_numbers(self._config.range)):
            run(["ip", "rule", "del", "priority", str(number)], check=False)


def check(config: Config) -> None:
    """Raise ``HostError`` when the cloud's bridge or a range of its addresses is somebody else's."""
    bridges.check(config, config.bridge)
    check_ranges(config, json.loads(run(["ip", "-json", "-4", "address"])))


def check_ranges(config: Config, addresses: list[dict[str, Any]]) -> None:
    """Raise ``HostError`` when an interface of others (as ``ip -json address`` tells) has addresses of our ranges."""
    for interface in addresses:
        if interface["ifname"] != config.bridge:
            for entry in interface["addr_info"]:
                network = IPv4Network(f"{entry['local']}/{entry['prefixlen']}", strict=False)
                for name, ours in (("RANGE", config.range), ("VPC_RANGE", config.vpc_range)):
                    if network.overlaps(ours):
                        raise HostError(
                            f"The interface {interface['ifname']} uses {network}, which overlaps the range {ours}.",
                            f"Choose another range with LOCALOCEAN_{name}.",
                        )


def _routes(config: Config) -> list[str]:
    """The VPC is nowhere to be found, nor is the anchor address of a droplet that is off; nor is, for the host, what
    has no route of its own (see ``_rules``)."""
    return [
        f"unreachable {config.vpc_range}",
        f"unreachable {config.anchor_network}",
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
