"""The generated part of docs/fidelity.md, and the list of tests that must pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.upstream.tests import AREAS, FAILED, PASSED, UNSUPPORTED, Outcome, area

TABLE = ["", "| test | | why |", "|---|---|---|"]
REMARK = (
    "# Tests of the provider that pass: ./invoke test.upstream adds to this list, and fails when one of it fails.\n"
)
BEGIN = "<!-- upstream: begin (written by ./invoke test.upstream; do not edit) -->"
END = "<!-- upstream: end -->"
MARKS = {PASSED: "✓", FAILED: "✗", UNSUPPORTED: "–"}


def write(page: Path, outcomes: Sequence[Outcome], reasons: Mapping[str, str], facts: Sequence[str]) -> None:
    """Replace what stands between the marks and nothing else; a page without marks gets them at its end."""
    text = page.read_text() if page.exists() else "# Fidelity\n"
    before, begin, rest = text.partition(BEGIN)
    after = rest.partition(END)[2] if begin else "\n"
    page.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{render(outcomes, reasons, facts)}{END}{after or chr(10)}")


def render(outcomes: Sequence[Outcome], reasons: Mapping[str, str], facts: Sequence[str]) -> str:
    """The totals, what the run was of, and a table per area."""
    lines = [f"{summary(outcomes)}.", "", *(f"- {fact}" for fact in facts)]
    for name in AREAS:
        mine = [outcome for outcome in outcomes if area(outcome.name) == name]
        if mine:
            passed = sum(outcome.result == PASSED for outcome in mine)
            lines += ["", f"### {name[0].upper()}{name[1:]}: {passed} of {len(mine)}", *TABLE]
            lines += [_row(outcome, reasons) for outcome in sorted(mine, key=lambda outcome: outcome.name)]
    return "\n".join(lines) + "\n"


def summary(outcomes: Iterable[Outcome]) -> str:
    """Passed, failed, not supported, in one line."""
    results = [outcome.result for outcome in outcomes]
    return ", ".join(f"{results.count(result)} {result}" for result in MARKS) + f", of {len(results)} tests"


def _row(outcome: Outcome, reasons: Mapping[str, str]) -> str:
    why = "" if outcome.result == PASSED else reasons.get(outcome.name) or outcome.said
    return f"| {outcome.name} | {MARKS[outcome.result]} {outcome.result} | {why.replace('|', '¦')} |"


def read_list(path: Path) -> list[str]:
    """The tests that must pass; what follows a # is a remark."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def grow_list(path: Path, outcomes: Iterable[Outcome]) -> list[str]:
    """Add what passes now to the list, from which nothing is ever taken; the new ones."""
    listed = read_list(path)
    new = sorted({outcome.name for outcome in outcomes if outcome.result == PASSED} - set(listed))
    if new:
        path.write_text(REMARK + "".join(f"{name}\n" for name in sorted([*listed, *new])))
    return new
