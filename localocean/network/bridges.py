"""The bridges of a cloud; at those of private networks the host has no address, and it routes nothing from there.

A bridge bears whose it is, as the group of the interface (ip-link(8)), so that what somebody else has under its name is
never taken or removed. All else that the kernel has of a cloud is named after its bridge, and is as safe.
"""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock

from localocean.config import Config
from localocean.host.errors import HostError
from localocean.host.run import run

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MOST = 1 + len(DIGITS) ** 2
LINKS = Path("/sys/class/net")

_making = Lock()
"""The first droplets of a VPC may come at once, and each wants its bridge."""


def name(config: Config, number: int) -> str:
    """The bridge of a VPC: the first has the cloud's own, the others two digits more (of 15 characters at most)."""
    first, second = divmod(number - 1, len(DIGITS))
    return config.vpc_bridge if number == 0 else f"{config.vpc_bridge}{DIGITS[first]}{DIGITS[second]}"


def ours(config: Config, bridge: str) -> bool:
    """Whether nobody else has an interface of that name."""
    group = LINKS / bridge / "netdev_group"
    return not group.exists() or int(group.read_text()) == config.group


def check(config: Config, bridge: str) -> None:
    """Raise ``HostError`` when somebody else has an interface of that name."""
    if not ours(config, bridge):
        raise HostError(
            f"There is an interface {bridge} already, and it is not that of the cloud in {config.state}.",
            "Choose another LOCALOCEAN_BRIDGE.",
        )


def make(config: Config, bridge: str) -> None:
    """Have a bridge, up. Raises ``HostError`` when somebody else has it."""
    with _making:
        if not (LINKS / bridge).exists():
            run(["ip", "link", "add", bridge, "group", str(config.group), "type", "bridge", "forward_delay", "0"])
        check(config, bridge)
    without_ipv6 = Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6")
    if without_ipv6.exists():
        without_ipv6.write_text("1")
    run(["ip", "link", "set", bridge, "up"])


def make_private(config: Config, bridge: str) -> None:
    """Have a bridge from which the host routes nothing, whatever a droplet sends to it."""
    make(config, bridge)
    Path(f"/proc/sys/net/ipv4/conf/{bridge}/forwarding").write_text("0")


def remove(config: Config, bridge: str) -> None:
    """Have no such bridge, unless it is somebody else's."""
    if ours(config, bridge):
        run(["ip", "link", "del", bridge], check=False)


def private(config: Config) -> list[str]:
    """The bridges of VPCs that there are."""
    form = re.compile(re.escape(config.vpc_bridge) + r"([0-9a-z]{2})?")
    return [link.name for link in LINKS.iterdir() if form.fullmatch(link.name) and (link / "bridge").is_dir()]


def ports(config: Config) -> list[str]:
    """The private interfaces of the machines that run."""
    return [port.name for bridge in private(config) for port in (LINKS / bridge / "brif").iterdir()]
