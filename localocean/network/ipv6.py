"""Public IPv6 of droplets: routed to each like IPv4, and never further than this machine.

Each droplet that has IPv6 has one address, with the host as its gateway; the rest of the cloud's network is
unreachable. Nothing is translated, so an address that the world does not route cannot leave.
"""

from __future__ import annotations

from pathlib import Path

from localocean.config import Config
from localocean.host.run import run

SETTINGS = Path("/proc/sys/net/ipv6/conf")


def available() -> bool:
    """Whether this host's kernel speaks IPv6 at all."""
    return SETTINGS.is_dir()


def up(config: Config) -> None:
    """What has no droplet is unreachable, for the host and for droplets."""
    if available():
        run(["ip", "-6", "route", "replace", "unreachable", str(config.network6)])


def down(config: Config) -> None:
    if available():
        run(["ip", "-6", "route", "del", "unreachable", str(config.network6)], check=False)


def forward() -> None:
    """Let the host route between droplets, as it does for IPv4.

    A host that routes ignores router advertisements unless told otherwise, and would lose its own default route.
    """
    if (SETTINGS / "all/forwarding").read_text().strip() == "1":
        return
    for interface in SETTINGS.iterdir():
        accepting = interface / "accept_ra"
        if accepting.read_text().strip() == "1":
            accepting.write_text("2")
    (SETTINGS / "all/forwarding").write_text("1")


def rules(config: Config, public: str) -> dict[str, list[str]]:
    """The rules about IPv6, by chain; ``public`` matches the droplets' public interfaces."""
    network, gateway = config.network6, config.gateway6
    return {
        "raw": [f"iifname {public} ip6 saddr != {{ ::, fe80::/10 }} fib saddr . iif oif missing drop"],
        "guard": [
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
            f"ip6 daddr {gateway} icmpv6 type echo-request accept",
        ],
        "forward": [f"ip6 saddr {network} oifname != {public} reject with icmpv6 no-route"],
    }
