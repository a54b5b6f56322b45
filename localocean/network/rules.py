"""The nftables rules of a cloud, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from localocean.config import Config
from localocean.network import databases, ipv6, outside

METADATA = IPv4Address("169.254.169.254")
"""Where droplets ask who they are, as at every cloud."""

UNTRACKED = 0x1C10D
"""The mark of packets that connection tracking is not to see."""

CHAINS = {
    "raw": "type filter hook prerouting priority raw",
    "rawoutput": "type filter hook output priority raw",
    "prerouting": "type nat hook prerouting priority dstnat",
    "output": "type nat hook output priority -100",
    "postrouting": "type nat hook postrouting priority srcnat",
    "input": "type filter hook input priority filter",
    "forward": "type filter hook forward priority filter",
    "outgoing": "type filter hook output priority filter",
    "guard": "",
    "broken": "",
    "database": "",
    "outside": "",
}


def ruleset(config: Config) -> str:
    """The whole table in one transaction; the map of floating IPs is kept if it is there."""
    lines = [f"table inet {config.table} {{"]
    for name in ("floating", "anchored"):
        lines += [f" map {name} {{", "  type ipv4_addr : ipv4_addr", " }"]
    lines += [" set muted {", "  type ifname", " }"]
    lines += [" set private {", "  type ipv4_addr", "  flags interval", " }"]
    lines += [*databases.sets("inet"), *outside.sets()]
    for chain, hook in CHAINS.items():
        lines += [f" chain {chain} {{", *([f"  {hook}; policy accept;"] if hook else []), " }"]
    lines.append("}")
    lines.append(f"flush set inet {config.table} muted")
    lines += [f"flush chain inet {config.table} {chain}" for chain in CHAINS]
    for chain, rules in _rules(config).items():
        lines += [f"add rule inet {config.table} {chain} {rule}" for rule in rules]
    return "\n".join(lines) + "\n"


def floating_rules(
    config: Config, before: Mapping[IPv4Address, IPv4Address], after: Mapping[IPv4Address, IPv4Address]
) -> str:
    """One transaction that turns the map of floating IPs (to public addresses, in the kernel to anchor addresses) from
    ``before`` into ``after``.

    What stays is not touched. Kernels before 6.17 may for a moment not find what a transaction removes and puts back,
    and a connection that begins then goes nowhere, however often it asks.
    """
    anchors = [{a: config.anchor_address(target) for a, target in sorted(table.items())} for table in (before, after)]
    anchored = [{anchor: address for address, anchor in table.items()} for table in anchors]
    return _change(config, "floating", *anchors) + _change(config, "anchored", *anchored)


def muted_rules(config: Config, interface: str, muted: bool) -> str:
    """One transaction after which nothing goes through an interface, or everything does again."""
    element = f'element inet {config.table} muted {{ "{interface}" }}'
    return f"add {element}\n" if muted else f"add {element}\ndelete {element}\n"


def private_rules(config: Config, ranges: Iterable[IPv4Network]) -> str:
    """One transaction that makes ``ranges``, which do not overlap, those of the private networks."""
    lines = [f"flush set inet {config.table} private"]
    if listed := ", ".join(str(network) for network in sorted(ranges)):
        lines.append(f"add element inet {config.table} private {{ {listed} }}")
    return "\n".join(lines) + "\n"


def _change(
    config: Config, name: str, before: Mapping[IPv4Address, IPv4Address], after: Mapping[IPv4Address, IPv4Address]
) -> str:
    gone = [f"{key}" for key in before if after.get(key) != before[key]]
    come = [f"{key} : {value}" for key, value in after.items() if before.get(key) != value]
    changes = (("delete", gone), ("add", come))
    return "".join(
        f"{verb} element inet {config.table} {name} {{ {', '.join(listed)} }}\n" for verb, listed in changes if listed
    )


def _rules(config: Config) -> dict[str, list[str]]:
    public, private, ours = f'"{config.public_prefix}*"', f'"{config.vpc_bridge}*"', config.range
    metadata = f"ct original ip daddr {METADATA} tcp dport {config.port}"
    floating = config.floating_network
    six = ipv6.rules(config, public)
    return {
        # A droplet sends from its own addresses only, those that are routed to its interface.
        "raw": [
            "iifname @muted drop",
            f"iifname {public} meta nfproto ipv4 fib saddr . iif oif missing drop",
            *six["raw"],
            f"meta mark {UNTRACKED:#x} notrack",
        ],
        "rawoutput": ["oifname @muted drop", f"meta mark {UNTRACKED:#x} notrack"],
        "prerouting": [
            f"iifname {public} ip daddr {METADATA} tcp dport 80 dnat ip to {config.gateway}:{config.port}",
            "dnat ip to ip daddr map @floating",
        ],
        "output": ["dnat ip to ip daddr map @floating"],
        "postrouting": [
            f"ip saddr {{ {ours}, {config.anchor_network} }} ip daddr != {ours} oifname != {public} masquerade",
            f"ip saddr {config.anchor_network} oifname {public} snat ip to ip saddr map @anchored",
        ],
        "input": [
            f"iifname {public} jump guard",
            f"iifname {private} drop",
            # The metadata service listens at the gateway, for droplets that asked for its proper address.
            f"ip daddr {config.gateway} tcp dport {config.port} reject with tcp reset",
        ],
        # Droplets meet nothing of the host but answers to what it asked, metadata, and ping.
        "guard": [
            f"ip saddr {config.anchor_network} ct state new jump broken",
            "ct state established,related accept",
            f"{metadata} accept",
            f"ip daddr {config.gateway} icmp type echo-request accept",
            *six["guard"],
            "reject with icmpx admin-prohibited",
        ],
        # What is still for the range at large, when floating IPs are translated, is for nobody.
        # The private network ends at its bridge; the public one is entered from this machine only. An anchor address
        # is met by its floating IP only.
        "forward": [
            "oifname @muted drop",
            f"ct original ip daddr {floating} ct state new jump broken",
            f"ip saddr {config.anchor_network} ct state new jump broken",
            f"oifname {config.bridge} reject with icmp host-unreachable",
            f"iifname {public} ip daddr @private reject with icmp host-unreachable",
            f"iifname {private} oifname != {private} drop",
            f"oifname {private} iifname != {private} drop",
            *six["forward"],
            f"oifname {public} iifname != {public} ct state new reject with icmpx admin-prohibited",
            f"oifname {public} ip daddr {config.anchor_network} ct status ! dnat ct direction original"
            " reject with icmp host-unreachable",
            "ip daddr @databases jump database",
            f"iifname {public} oifname != {public} jump outside",
        ],
        "outgoing": [
            f"ct original ip daddr {floating} ct state new jump broken",
            "ip daddr @databases jump database",
        ],
        "database": databases.routed_rules(),
        "outside": outside.rules(),
        # The middle of a connection that nobody tracks: its floating IP has moved, so it has ended.
        "broken": ["tcp flags & (syn | rst) == 0 reject with tcp reset"],
    }
