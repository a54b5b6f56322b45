"""The nftables rules of a cloud, as text."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from localcloud.config import Config

CHAINS = {
    "prerouting": "type nat hook prerouting priority dstnat",
    "output": "type nat hook output priority -100",
    "postrouting": "type nat hook postrouting priority srcnat",
    "input": "type filter hook input priority filter",
    "forward": "type filter hook forward priority filter",
    "guard": "",
}


def ruleset(config: Config) -> str:
    """The whole table in one transaction; the map of floating IPs is kept if it is there."""
    lines = [f"table inet {config.table} {{", " map floating {", "  type ipv4_addr : ipv4_addr", " }"]
    for chain, hook in CHAINS.items():
        lines += [f" chain {chain} {{", *([f"  {hook}; policy accept;"] if hook else []), " }"]
    lines.append("}")
    lines += [f"flush chain inet {config.table} {chain}" for chain in CHAINS]
    for chain, rules in _rules(config).items():
        lines += [f"add rule inet {config.table} {chain} {rule}" for rule in rules]
    return "\n".join(lines) + "\n"


def floating_rules(config: Config, table: Mapping[IPv4Address, IPv4Address]) -> str:
    """One transaction that makes ``table`` the map of floating IPs."""
    lines = [f"flush map inet {config.table} floating"]
    if table:
        elements = ", ".join(f"{address} : {target}" for address, target in sorted(table.items()))
        lines.append(f"add element inet {config.table} floating {{ {elements} }}")
    return "\n".join(lines) + "\n"


def _rules(config: Config) -> dict[str, list[str]]:
    public, private, ours = f'"{config.public_prefix}*"', config.vpc_bridge, config.range
    return {
        "prerouting": ["dnat ip to ip daddr map @floating"],
        "output": ["dnat ip to ip daddr map @floating"],
        "postrouting": [f"ip saddr {ours} ip daddr != {ours} oifname != {public} masquerade"],
        "input": [f"iifname {public} jump guard", f"iifname {private} drop"],
        # Droplets meet nothing of the host but answers to what it asked, and ping.
        "guard": [
            "ct state established,related accept",
            f"ip daddr {config.gateway} icmp type echo-request accept",
            "reject with icmpx admin-prohibited",
        ],
        # What is still for the range at large, when floating IPs are translated, is for nobody.
        # The private network ends at its bridge; the public one is entered from this machine only.
        "forward": [
            f"oifname {config.bridge} reject with icmp host-unreachable",
            f"iifname {private} oifname != {private} drop",
            f"oifname {private} iifname != {private} drop",
            f"oifname {public} iifname != {public} ct state new reject with icmpx admin-prohibited",
        ],
    }
