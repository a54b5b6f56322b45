"""The bridges of private networks: the host has no address there and routes nothing from there."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock

from localcloud.config import Config
from localcloud.host.run import run

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MOST = 1 + len(DIGITS) ** 2
LINKS = Path("/sys/class/net")

_making = Lock()
"""The first droplets of a VPC may come at once, and each wants its bridge."""


def name(config: Config, number: int) -> str:
    """The bridge of a VPC: the first has the cloud's own, the others two digits more (of 15 characters at most)."""
    first, second = divmod(number - 1, len(DIGITS))
    return config.vpc_bridge if number == 0 else f"{config.vpc_bridge}{DIGITS[first]}{DIGITS[second]}"


def make(bridge: str) -> None:
    """Have a bridge, up."""
    with _making:
        if not (LINKS / bridge).exists():
            run(["ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0"])
    without_ipv6 = Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6")
    if without_ipv6.exists():
        without_ipv6.write_text("1")
    run(["ip", "link", "set", bridge, "up"])


def make_private(bridge: str) -> None:
    """Have a bridge from which the host routes nothing, whatever a droplet sends to it."""
    make(bridge)
    Path(f"/proc/sys/net/ipv4/conf/{bridge}/forwarding").write_text("0")


def remove(bridge: str) -> None:
    run(["ip", "link", "del", bridge], check=False)


def private(config: Config) -> list[str]:
    """The bridges of VPCs that there are."""
    form = re.compile(re.escape(config.vpc_bridge) + r"([0-9a-z]{2})?")
    return [link.name for link in LINKS.iterdir() if form.fullmatch(link.name) and (link / "bridge").is_dir()]


def ports(config: Config) -> list[str]:
    """The private interfaces of the machines that run."""
    return [port.name for bridge in private(config) for port in (LINKS / bridge / "brif").iterdir()]
