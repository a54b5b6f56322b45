"""A release that migrates the schema beside the same release that does not, and what its users notice of either."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.figures import Comparison, Run, Side, in_turn
from bench.release import parts_of
from pipeline.errors import PipelineError
from tests.e2e.checkout import Checkout, ask_for_notes, clone
from tests.support import own_cloud

MIGRATIONS = "app/internal/schema/migrations"


@dataclass
class Users:
    """What users saw of the releases of one side: requests, those lost, and the longest time without an answer."""

    requests: int = 0
    lost: int = 0
    gap: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def watching(self, address: str) -> Iterator[None]:
        """Ask for the notes every 20 ms, a new connection each time."""
        self._stop.clear()
        thread = threading.Thread(target=self._run, args=(address,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=10)

    def _run(self, address: str) -> None:
        answered = time.monotonic()
        while not self._stop.is_set():
            self.requests += 1
            try:
                ask_for_notes(address)
                self.gap, answered = max(self.gap, time.monotonic() - answered), time.monotonic()
            except (OSError, http.client.HTTPException, ValueError):
                self.lost += 1
            self._stop.wait(0.02)


@dataclass(frozen=True)
class Migration:
    """Both sides, and their users."""

    comparison: Comparison
    migrating: Users
    plain: Users

    @property
    def added(self) -> float:
        """The seconds that a migration adds to a release, by the medians."""
        return median(self.comparison.ours.seconds) - median(self.comparison.yardstick.seconds)

    def as_json(self) -> dict[str, object]:
        """Everything that was measured; times are in seconds."""
        users = {"with": self.migrating, "without": self.plain}
        seen = {name: {"requests": u.requests, "lost": u.lost, "longest_gap": u.gap} for name, u in users.items()}
        return {**self.comparison.as_json(), "added_seconds": self.added, "users": seen}

    def render(self) -> str:
        """The table and two sentences."""
        lines = [self.comparison.render(), "", f"A migration adds {self.added:.2f} s."]
        for name, users in (("With it", self.migrating), ("Without it", self.plain)):
            seen = f"{users.lost} of {users.requests} requests lost, longest time without an answer"
            lines.append(f"{name}: {seen} {users.gap * 1000:.0f} ms.")
        return "\n".join(lines)


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Migration:
    """Time deploys of images that were built before, on a clone and a cloud of its own."""
    migrating, plain = Users(), Users()
    with tempfile.TemporaryDirectory(prefix="bench-migration-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        for name in ("w1", "w2"):  # from the third on, each release retires one
            say(f"release {name}, not counted")
            checkout.invoke("build", "deploy", "--version", name)
        address = checkout.status()["floating_ip"]
        versions = iter(range(1, 2 * rounds + 1))

        def released(users: Users, *, migrates: bool) -> Callable[[], Run]:
            return lambda: _release(checkout, f"v{next(versions)}", address, users, migrates=migrates)

        ours, yardstick = in_turn(rounds, released(migrating, migrates=True), released(plain, migrates=False), say)
    comparison = Comparison(
        "A release of an image that is there, with a migration",
        Side("with a migration", ours),
        Side("without", yardstick),
        target=1.15,
    )
    return Migration(comparison, migrating, plain)


def _release(checkout: Checkout, name: str, address: str, users: Users, *, migrates: bool) -> Run:
    if migrates:
        folder = checkout.folder / MIGRATIONS
        number = len(list(folder.glob("*.sql"))) + 1
        (folder / f"{number:04}_bench.sql").write_text(f"-- +goose Up\nALTER TABLE notes ADD COLUMN b{number} text;\n")
        checkout.git("add", MIGRATIONS)
        checkout.git("commit", "--quiet", "--message", f"Add migration {number}")
    checkout.invoke("build", "--version", name)
    with users.watching(address):
        start = time.monotonic()
        result = checkout.call("deploy", "--version", name)
        seconds = time.monotonic() - start
    if result.returncode != 0:
        raise PipelineError(f"./invoke deploy --version {name} failed.", result.stderr[-2000:])
    return Run(seconds, parts_of(result.stderr))
