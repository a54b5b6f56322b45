"""`python -m bench NAME`: measure, and print what was found."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import requests

from bench import api, app, baseline, boot, database, front, memory, migration, release, sequence, snapshot
from bench.login import LoginError
from localocean.config import ConfigError
from localocean.host.errors import HostError
from slipway.errors import PipelineError

ROOT = Path(__file__).resolve().parents[1]


class Found(Protocol):
    """What a benchmark found."""

    def as_json(self) -> dict[str, object]: ...
    def render(self) -> str: ...


Bench = Callable[[Path, int, Callable[[str], None]], Found]
BENCHES: dict[str, tuple[Bench, int]] = {
    "release": (release.compare, 3),
    "boot": (boot.compare, 5),
    "crowd": (boot.compare_many, 3),
    "snapshot": (snapshot.compare, 3),
    "memory": (memory.compare, 1),
    "api": (api.compare, 1),
    "database": (database.compare, 5),
    "migration": (migration.compare, 2),
    "app": (app.compare, 3),
    "front": (front.compare, 5),
    "baseline": (baseline.compare, 2),
    "sequence": (sequence.measure, 10),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one benchmark; the result is the exit status, which says nothing of the figures."""
    arguments = _parser().parse_args(argv)
    compare, rounds = BENCHES[arguments.bench]
    if os.geteuid() != 0:
        return _fail("The benchmarks start machines, which only root may.", f"sudo {sys.executable} -m bench …")
    try:
        found = compare(ROOT, arguments.rounds or rounds, _say)
    except (PipelineError, HostError, ConfigError) as error:
        return _fail(error.message, error.hint)
    except (LoginError, requests.RequestException, subprocess.CalledProcessError, TimeoutError, ValueError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("Interrupted; nothing was measured.")
    sys.stdout.write((json.dumps(found.as_json(), indent=2) if arguments.json else found.render()) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = ", ".join(f"{name}: {rounds}" for name, (_, rounds) in BENCHES.items())
    parser = argparse.ArgumentParser(prog="bench", description="Figures beside their yardsticks, in one run.")
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("--rounds", type=_positive, help=f"how often each side is timed ({usual})")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("one at least")
    return number


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _fail(sentence: str, hint: str = "") -> int:
    _say(f"✗ {sentence}")
    for line in hint.splitlines():
        _say(f"  {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
