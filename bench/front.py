"""The front before the app: the same app on the same droplet, asked through it and past it, in turns.

A droplet's app is closed to everybody; here its door is opened, so that both ways begin on the host.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from slipway.errors import PipelineError
from slipway.project import Project
from slipway.tools.programs.host import ensure_packages
from tests.e2e.checkout import Checkout, clone
from tests.support import own_cloud

RATE, P99_MS, MEMORY_MB = 0.85, 1.0, 10.0
SECONDS, CONNECTIONS = 10, 16
PATH = "/version"
MEMORY = "awk '/^Pss_Anon|^Pss:/ { print $1, $2 }' /proc/$(systemctl show -P MainPID front.service)/smaps_rollup"


@dataclass(frozen=True)
class Front:
    """Requests per second and the 99th percentile in milliseconds of each way; the front's memory in MB.

    ``memory`` is all of it (PSS), ``own`` what no file on the disk backs.
    """

    front: list[tuple[float, float]] = field(default_factory=list)
    direct: list[tuple[float, float]] = field(default_factory=list)
    memory: float = 0.0
    own: float = 0.0

    def as_json(self) -> dict[str, object]:
        """Everything that was measured."""
        return {**vars(self), "ratio": self.ratio, "p99_more": self.p99_more}

    @property
    def ratio(self) -> float:
        """Requests per second through the front divided by those past it, medians both."""
        return median(rate for rate, _ in self.front) / median(rate for rate, _ in self.direct)

    @property
    def p99_more(self) -> float:
        """Milliseconds that one answer in a hundred takes longer, medians both."""
        return median(p99 for _, p99 in self.front) - median(p99 for _, p99 in self.direct)

    def render(self) -> str:
        """A table for people."""
        lines = [f"GET {PATH}; {CONNECTIONS} connections, {SECONDS} s each", ""]
        lines.append(f"{'':18}{'requests':>12}{'p99':>12}")
        for name, side in (("past the front", self.direct), ("through it", self.front)):
            rate, p99 = median(rate for rate, _ in side), median(p99 for _, p99 in side)
            lines.append(f"{name:18}{rate:>10.0f}/s{p99:>9.2f} ms")
        kept = {
            f"ratio {self.ratio:.2f}, at least {RATE}": self.ratio >= RATE,
            f"p99 {self.p99_more:+.2f} ms, at most +{P99_MS:.0f} ms": self.p99_more <= P99_MS,
            f"memory {self.memory:.1f} MB ({self.own:.1f} MB its own), at most {MEMORY_MB:.0f} MB": self.memory
            <= MEMORY_MB,
        }
        return "\n".join([*lines, "", *(f"{what}: {'met' if met else 'MISSED'}" for what, met in kept.items())])


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Front:
    """Release the app in a clone, on a cloud of its own, and ask it both ways in turn."""
    ensure_packages(["wrk"], say)
    with tempfile.TemporaryDirectory(prefix="bench-front-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        say("a release, not counted")
        checkout.invoke("build", "deploy", "--version", "w1")
        live = checkout.status()["live"]
        droplet = checkout.api().get(f"/v2/droplets/{live['droplet_id']}")["droplet"]
        (address,) = (each["ip_address"] for each in droplet["networks"]["v4"] if each["type"] == "public")

        def inside(command: str) -> str:
            return checkout.invoke("cloud.shell", droplet["name"], "--command", command)

        inside("nft delete table inet close_app")
        found = Front()
        ways = [(80, found.front), (Project.load(root).app.port, found.direct)]
        for number in range(rounds):
            for port, side in ways if number % 2 == 0 else reversed(ways):
                side.append(_measure(f"http://{address}:{port}{PATH}"))
            say(f"  round {number + 1} of {rounds}")
        sizes = dict(re.findall(r"^(\w+): (\d+)$", inside(MEMORY), re.MULTILINE))
        return Front(found.front, found.direct, int(sizes["Pss"]) / 1024, int(sizes["Pss_Anon"]) / 1024)


def _measure(address: str) -> tuple[float, float]:
    """Requests per second and the 99th percentile in milliseconds; raises PipelineError when an answer was bad."""
    load = ["wrk", "--threads", "1", "--latency", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s"]
    said = subprocess.run([*load, address], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"^Requests/sec:\s+([\d.]+)$", said, re.MULTILINE)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s)$", said, re.MULTILINE)
    if not rate or not p99 or "Non-2xx" in said or "Socket errors" in said:
        raise PipelineError(f"Not every request to {address} was answered well.", said)
    return float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
