"""Getting along with another firewall on the host.

Docker and ufw set the policy of iptables' FORWARD chain to drop, which nothing in a table of our own can undo. So
where iptables is installed, what belongs to our droplets is accepted at the top of that chain; our own table still
has its say afterwards.
"""

from __future__ import annotations

import shutil

from localocean.config import Config
from localocean.host.errors import HostError
from localocean.host.run import run


def rules(config: Config) -> list[list[str]]:
    """What is to be accepted, as arguments of iptables."""
    mark = ["-m", "comment", "--comment", config.table, "-j", "ACCEPT"]
    public, private = f"{config.public_prefix}+", f"{config.vpc_bridge}+"
    return [["-i", public, *mark], ["-o", public, *mark], ["-i", private, "-o", private, *mark]]


def accept(config: Config) -> None:
    """Put the rules at the top of FORWARD, once each, in one transaction: droplets meet each other all the while."""
    if not shutil.which("iptables"):
        return
    lines = [f"-D FORWARD {' '.join(rule)}" for rule in rules(config) if _there(rule)]
    lines += [f"-I FORWARD {' '.join(rule)}" for rule in rules(config)]
    run(["iptables-restore", "-w", "--noflush"], input="\n".join(["*filter", *lines, "COMMIT", ""]))


def forget(config: Config) -> None:
    """Remove the rules, however often they are there."""
    if not shutil.which("iptables"):
        return
    for rule in rules(config):
        while _there(rule):
            run(["iptables", "-w", "-D", "FORWARD", *rule])


def _there(rule: list[str]) -> bool:
    try:
        run(["iptables", "-w", "-C", "FORWARD", *rule])
    except HostError:
        return False
    return True
