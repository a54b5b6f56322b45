"""A release that migrates the schema beside the same release that does not, and what its users notice of either."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar, Self

from bench.figures import Comparison, Run, Side, in_turn
from bench.release import timed
from tests.e2e.checkout import Checkout, ask_for_notes, clone
from tests.support import UNANSWERED, Repeating, own_cloud

MIGRATIONS = "app/internal/schema/migrations"


@dataclass
class Users(Repeating):
    """What users saw of the releases of one side: requests, those lost, and the longest time without an answer."""

    interval: ClassVar[float] = 0.02
    address: str
    requests: int = 0
    lost: int = 0
    gap: float = 0.0

    def __enter__(self) -> Self:
        self._answered = time.monotonic()
        return super().__enter__()

    def once(self) -> None:
        """Ask for the notes."""
        self.requests += 1
        try:
            ask_for_notes(self.address)
            self.gap, self._answered = max(self.gap, time.monotonic() - self._answered), time.monotonic()
        except UNANSWERED:
            self.lost += 1


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
    with tempfile.TemporaryDirectory(prefix="bench-migration-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        for name in ("w1", "w2"):  # from the third on, each release retires one
            say(f"release {name}, not counted")
            checkout.invoke("build", "deploy", "--version", name)
        address = checkout.status()["floating_ip"]
        migrating, plain = Users(address), Users(address)
        versions = iter(range(1, 2 * rounds + 1))

        def released(users: Users, *, migrates: bool) -> Callable[[], Run]:
            return lambda: _release(checkout, f"v{next(versions)}", users, migrates=migrates)

        ours, yardstick = in_turn(rounds, released(migrating, migrates=True), released(plain, migrates=False), say)
    comparison = Comparison(
        "A release of an image that is there, with a migration",
        Side("with a migration", ours),
        Side("without", yardstick),
        target=1.15,
    )
    return Migration(comparison, migrating, plain)


def _release(checkout: Checkout, name: str, users: Users, *, migrates: bool) -> Run:
    if migrates:
        folder = checkout.folder / MIGRATIONS
        number = len(list(folder.glob("*.sql"))) + 1
        (folder / f"{number:04}_bench.sql").write_text(f"-- +goose Up\nALTER TABLE notes ADD COLUMN b{number} text;\n")
        checkout.git("add", MIGRATIONS)
        checkout.git("commit", "--quiet", "--message", f"Add migration {number}")
    checkout.invoke("build", "--version", name)
    with users:
        return timed(checkout, "deploy", "--version", name)
