"""Showing one droplet and listing twenty, with ever more droplets in the store, beside moto's server on EC2's calls."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import moto
from bench.calls import Pace, Request, pace, wait_for
from bench.served import TOKEN
from tests.support import free_port

COUNTS = (10, 1_000, 10_000)
SECONDS = 3.0
GROWTH = 3.0
LISTED = 20
CALLS = ("show one", f"list {LISTED}")


@dataclass(frozen=True)
class Cell:
    """One call with so many droplets: ours and the yardstick."""

    call: str
    count: int
    ours: Pace
    yardstick: Pace


@dataclass(frozen=True)
class Paces:
    """All that was measured."""

    cells: Sequence[Cell]

    @property
    def growth(self) -> dict[str, float]:
        """How much longer p99 is with the most droplets than with the fewest."""
        first, last = ({c.call: c.ours.p99 for c in self.cells if c.count == n} for n in (COUNTS[0], COUNTS[-1]))
        return {call: last[call] / first[call] for call in CALLS}

    def as_json(self) -> dict[str, object]:
        cells = [
            {"call": c.call, "count": c.count, "ours": vars(c.ours), "moto": vars(c.yardstick)} for c in self.cells
        ]
        return {"title": "calls", "cells": cells, "growth": self.growth}

    def render(self) -> str:
        lines = ["Calls, one after the other, with so many droplets (ours) or instances (moto) in the store", ""]
        lines += [f"{'':22}{'ours':>28}{'moto':>28}    times as fast"]
        for cell in self.cells:
            times = cell.ours.per_second / cell.yardstick.per_second
            lines.append(f"{cell.call:10}{cell.count:>8}    {cell.ours!s:>28}{cell.yardstick!s:>28}{times:>10.1f}")
        faster = all(cell.ours.per_second > cell.yardstick.per_second for cell in self.cells)
        lines += ["", f"faster than moto at each size: {'met' if faster else 'MISSED'}"]
        for call, growth in self.growth.items():
            verdict = "met" if growth < GROWTH else "MISSED"
            lines.append(f"p99 of {call!r} grows {growth:.1f} times, target less than {GROWTH:.0f}: {verdict}")
        return "\n".join(lines)


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Paces:
    """Each side has the machine to itself while it is measured; `rounds` times three seconds for each figure."""
    program, cells = moto.server(say), []
    for count in COUNTS:
        say(f"{count} droplets")
        with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, _ours(root, Path(folder), count) as port:
            ours = _measure(port, _our_calls(port), rounds)
        say(f"{count} instances of moto's")
        with _moto(program) as port:
            yardstick = _measure(port, _moto_calls(moto.fill(port, count)), rounds)
        cells += [Cell(call, count, ours[call], yardstick[call]) for call in CALLS]
    return Paces(cells)


def _measure(port: int, calls: dict[str, Callable[[int], Request]], rounds: int) -> dict[str, Pace]:
    return {name: pace(port, request, SECONDS * rounds) for name, request in calls.items()}


def _our_calls(port: int) -> dict[str, Callable[[int], Request]]:
    import requests

    headers = {"Authorization": f"Bearer {TOKEN}"}
    listed = requests.get(f"http://127.0.0.1:{port}/v2/droplets?per_page=200", headers=headers, timeout=60).json()
    ids = [droplet["id"] for droplet in listed["droplets"]]
    return {
        CALLS[0]: lambda number: Request("GET", f"/v2/droplets/{ids[number % len(ids)]}", headers),
        CALLS[1]: lambda number: Request("GET", f"/v2/droplets?per_page={LISTED}", headers),
    }


def _moto_calls(ids: Sequence[str]) -> dict[str, Callable[[int], Request]]:
    return {
        CALLS[0]: lambda number: moto.call("DescribeInstances", InstanceId_1=ids[number % min(len(ids), 200)]),
        CALLS[1]: lambda number: moto.call("DescribeInstances", MaxResults=LISTED),
    }


@contextmanager
def _ours(root: Path, state: Path, count: int) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.served", str(state), str(port), str(count)]
    with _running(command, root):
        wait_for(port, Request("GET", "/v2/account", {"Authorization": f"Bearer {TOKEN}"}))
        yield port


@contextmanager
def _moto(program: Path) -> Iterator[int]:
    port = free_port()
    with _running([str(program), "--port", str(port)], program.parent):
        wait_for(port, moto.call("DescribeRegions"))
        yield port


@contextmanager
def _running(command: Sequence[str], folder: Path) -> Iterator[None]:
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | moto.SETTINGS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        server.kill()
        server.wait()
