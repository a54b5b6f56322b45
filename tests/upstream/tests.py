"""Which tests there are, and what running them said: values, and the one process that makes them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The resources of the provider that the local cloud has (or, with volumes, whose snapshots it could have).
AREAS = {
    "account": "Account",
    "databases": "Database(?:CA|Cluster|ConnectionPool|DB|Firewall|Replica|User)",
    "droplets": "Droplets?",
    "floating IPs": "FloatingI[Pp](?:Assignment)?",
    "images": "(?:Custom)?Images?",
    "keys": "SSHKeys?",
    "projects": "Project(?:s|Resources)?",
    "regions": "Regions?",
    "sizes": "Sizes?",
    "snapshots": "(?:Droplet|Volume)Snapshot",
    "tags": "Tags?",
    "VPCs": "VPC",
}
PASSED, FAILED, UNSUPPORTED = "passed", "failed", "not supported"
AT_ONCE = 8
MINUTES = 40
RESULT = re.compile(r"^--- (PASS|FAIL|SKIP): (\w+)")
SPEAKER = re.compile(r"^=== (?:NAME|CONT|RUN|PAUSE)\s+(\w+)")
NOT_THERE = re.compile(r"The local cloud does not implement [^\n]*?\.(?=\s|$)")


@dataclass(frozen=True)
class Outcome:
    """How one test ended, and for one that did not pass what it said."""

    name: str
    result: str
    said: str = ""


def area(test: str) -> str | None:
    """The area of a test, by the resource or data source in its name."""
    for name, resource in AREAS.items():
        if re.match(rf"TestAcc(?:DataSource)?DigitalOcean{resource}(?:Full|MultiRegion)?(?:_|$)", test):
            return name
    return None


def listed(binary: Path) -> list[str]:
    """The tests of our areas, in the order of the binary."""
    said = subprocess.run([str(binary), "-test.list", "^TestAcc"], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if area(line)]


def run(binary: Path, tests: Iterable[str], env: Mapping[str, str], folder: Path, at_once: int) -> list[Outcome]:
    """Run tests of the binary; the whole of what they say is kept in the folder."""
    wanted = list(tests)
    log = folder / f"acceptance-{at_once}.log"
    argv = [str(binary), "-test.v", "-test.run", f"^({'|'.join(wanted)})$"]
    limits = [f"-test.parallel={at_once}", f"-test.timeout={MINUTES}m"]
    with log.open("w") as output:
        subprocess.run(
            [*argv, *limits], env={**os.environ, **env}, cwd=folder, stdout=output, stderr=output, check=False
        )
    found = {outcome.name: outcome for outcome in outcomes(log.read_text(errors="replace").splitlines())}
    return [found.get(name, Outcome(name, FAILED, "It did not come to an end.")) for name in wanted]


def outcomes(lines: Sequence[str]) -> Iterator[Outcome]:
    """What `go test -v` says of each test; what a test says stands below its name."""
    said: dict[str, list[str]] = {}
    ended: dict[str, str] = {}
    speaker = ""
    for line in lines:
        if found := SPEAKER.match(line):
            speaker = found[1]
        elif found := RESULT.match(line):
            ended[found[2]] = found[1]
        elif speaker:
            said.setdefault(speaker, []).append(line.strip())
    for name, result in ended.items():
        text = "\n".join(line for line in said.get(name, []) if line)
        yield Outcome(name, *((PASSED, "") if result == "PASS" else _why(text)))


def _why(text: str) -> tuple[str, str]:
    flat = re.sub(r"\s*\n[│\s]*", " ", text)
    if missing := NOT_THERE.search(flat):
        return UNSUPPORTED, missing[0]
    errors = re.findall(r"(?:Error: |error: )(?!Error running|Check failed)(.+)", text)
    return FAILED, (errors or text.splitlines() or ["It said nothing."])[0]
