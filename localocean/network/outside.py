"""What droplets reach beyond this machine: the internet, and of private networks nothing but what they need.

The host may be in networks that are nobody else's: a company's, a VPN, containers, the router at home. So a droplet
leaves by the host's default route alone, and reaches no private address there. What it needs may be at such an address
all the same, and is then open by address, protocol and port: the name servers that it was told, and the proxies and
package archives of apt. ``LOCALOCEAN_REACHABLE`` adds networks.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from localocean.config import Config
from localocean.host import inherit
from localocean.host.run import run

PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    "100.64.0.0/10",  # RFC 6598, carriers and VPNs
    "169.254.0.0/16",  # RFC 3927, with the metadata services of clouds
)
DNS = 53
PORTS = {"http": 80, "https": 443}
RESOLVE_SECONDS = 2.0
DEFAULTS = (IPv4Network("0.0.0.0/0"), IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1"))
"""The routes to everywhere; in two halves, as VPNs have them."""

SETS = {
    "uplinks": "ifname",
    "needed": "ipv4_addr . inet_proto . inet_service",
    "reachable": "ipv4_addr; flags interval",
}


@dataclass(frozen=True, order=True)
class Service:
    """Something that a droplet needs, at an address that may be private."""

    address: IPv4Address
    protocol: str
    port: int


@dataclass(frozen=True)
class Outside:
    """What there is beyond this machine for droplets."""

    uplinks: frozenset[str]
    """The interfaces with a default route."""

    needed: frozenset[Service]


def sets() -> list[str]:
    """The declarations of the sets that the rules look into."""
    return [f" set {name} {{ type {kind}; }}" for name, kind in SETS.items()]


def rules() -> list[str]:
    """The chain for what a droplet sends to an interface that is no droplet's."""
    return [
        "ip daddr @reachable return",
        "ip daddr . meta l4proto . th dport @needed return",
        f"ip daddr {{ {', '.join(PRIVATE)} }} reject with icmpx admin-prohibited",
        "oifname != @uplinks reject with icmpx admin-prohibited",
    ]


def elements(config: Config, outside: Outside) -> str:
    """One transaction that makes this all that there is outside."""
    services = [f"{each.address} . {each.protocol} . {each.port}" for each in sorted(outside.needed)]
    found = {
        "uplinks": [f'"{name}"' for name in sorted(outside.uplinks)],
        "needed": services,
        "reachable": [str(network) for network in config.reachable],
    }
    return "".join(_refill(config, name, listed) for name, listed in found.items())


def wanted() -> set[tuple[str, int]]:
    """The hosts and ports of apt's proxies and archives, as this host is configured now. Raises ``HostError``."""
    return endpoints([*inherit.proxy_urls(), *inherit.archive_urls()])


def survey(wanted: Iterable[tuple[str, int]]) -> Outside:
    """What there is now. A name that is not resolved within two seconds is nobody's address. Raises ``HostError``."""
    routes = run(["ip", "-json", "-4", "route", "show", "table", "all"])
    return Outside(frozenset(uplinks(routes)), frozenset(_services(set(wanted))))


def uplinks(routes: str) -> set[str]:
    """The interfaces of the default routes, of what ``ip -json route`` tells."""
    found = [route for route in json.loads(routes or "[]") if _leads_everywhere(str(route.get("dst", "")))]
    hops = [hop for route in found for hop in (route, *route.get("nexthops", ()))]
    return {str(hop["dev"]) for hop in hops if "dev" in hop}


def endpoints(urls: Iterable[str]) -> set[tuple[str, int]]:
    """The hosts and TCP ports of those URLs that have them."""
    found = set()
    for url in urls:
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme)
        except ValueError:
            continue
        if parts.hostname and port:
            found.add((parts.hostname, port))
    return found


def _leads_everywhere(destination: str) -> bool:
    try:
        return destination == "default" or IPv4Network(destination) in DEFAULTS
    except ValueError:
        return False


def _services(wanted: set[tuple[str, int]]) -> set[Service]:
    found = {Service(address, protocol, DNS) for address in _nameservers() for protocol in ("tcp", "udp")}
    addresses = _resolved({host for host, _ in wanted})
    return found | {Service(each, "tcp", port) for host, port in wanted for each in addresses.get(host, ())}


def _nameservers() -> set[IPv4Address]:
    return {IPv4Address(text) for text in inherit.nameservers() if ":" not in text}


def _resolved(hosts: Iterable[str]) -> dict[str, set[IPv4Address]]:
    """The addresses of hosts, all asked for at once."""
    found: dict[str, set[IPv4Address]] = {}

    def resolve(host: str) -> None:
        try:
            listed = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            return
        found[host] = {IPv4Address(each[4][0]) for each in listed}

    threads = [threading.Thread(target=resolve, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + RESOLVE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def _refill(config: Config, name: str, listed: list[str]) -> str:
    lines = [f"flush set inet {config.table} {name}"]
    if listed:
        lines.append(f"add element inet {config.table} {name} {{ {', '.join(listed)} }}")
    return "\n".join(lines) + "\n"
