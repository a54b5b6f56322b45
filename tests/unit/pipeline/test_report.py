"""A run told in the terminal and as a page, from a ledger file as runs write it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline import cutover, ledger, record, report, report_page
from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, Run
from pipeline.names import Names
from pipeline.prober import Sample

BEGAN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class Clock:
    """The ledger's time, moved by hand; in seconds since the run began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr(ledger, "now", self)

    def __call__(self) -> str:
        return f"{(BEGAN + timedelta(seconds=self.seconds)).isoformat(timespec='milliseconds')[:-6]}Z"


def a_release(folder: Path, clock: Clock, lost: int = 0, outcome: str = "succeeded") -> Run:
    """A release of 30 s, in which the address moved after 20 s."""
    facts = {"environment": "local", "command": "deploy <v2>", "who": "ann", "host": "desk", "commit": "c0ffee" * 7}
    run = Run.begin(folder, {**facts, "live": "v1-a"})
    for title, start, stop in (("create the droplet of v2-b", 1, 12), ("move the floating IP", 20, 20.4)):
        clock.seconds = start
        run.began(title)
        clock.seconds = stop
        run.ended(title, stop - start, ok=True)
    samples = [
        Sample(i * 0.05, 2 + i % 7, "" if 396 <= i < 396 + lost else "v1-a" if i < 400 else "v2-b", error="reset")
        for i in range(560)
    ]
    clock.seconds = 30
    run.write("cutover", **cutover.told(samples, BEGAN.timestamp() + 1))
    run.warned("the size stays s-1vcpu-1gb")
    run.write("ends", outcome=outcome, live="v2-b", error="" if outcome == "succeeded" else "It was <too> slow.")
    return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def a_ledger(folder: Path, *names: str) -> Ledger:
    import subprocess

    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return Ledger(folder / "runs", folder, Names("shop", "local"))


def test_a_run_is_told_with_its_steps_and_its_cutover(tmp_path: Path, clock: Clock) -> None:
    told = report.render(record.parse(a_release(tmp_path, clock).path.read_text()))
    assert re.search(r"^outcome +succeeded$", told, re.MULTILINE)
    assert re.search(r"^live +v1-a → v2-b$", told, re.MULTILINE)
    assert "  ✓     1.0 s  create the droplet of v2-b · 11.0 s" in told
    assert re.search(r"^  new connections +560 sent, 0 lost$", told, re.MULTILINE)
    assert re.search(r"^  answered by +v1-a \(400\), v2-b \(160\)$", told, re.MULTILINE)
    assert "30.0 s  warning: the size stays s-1vcpu-1gb" in told


class Page(HTMLParser):
    """What a page is made of; fails on a tag that is closed and was not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "path", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"meta", "path", "rect"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def classes(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if name in (attributes.get("class") or "").split()]


def shown(run: Run) -> Page:
    return Page(report_page.page(record.parse(run.path.read_text())))


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path, clock: Clock) -> None:
    page = shown(a_release(tmp_path, clock))
    assert page.open == []
    used = {tag for tag, _ in page.tags}
    assert not used & {"script", "link", "img", "iframe"}
    assert not [a for _, attributes in page.tags for a in attributes if a in {"src", "href"} or a.startswith("on")]
    assert "deploy <v2>" in page.text and "30.0" in page.text


def test_steps_and_answers_stand_over_the_same_axis(tmp_path: Path, clock: Clock) -> None:
    page = shown(a_release(tmp_path, clock))
    bars = [(float(b["x"] or 0), float(b["width"] or 0)) for b in page.classes("bar")]
    first = [[float(x) for x in re.findall(r"M([\d.]+)", a["d"] or "")] for a in page.classes("answer")]
    assert len(bars) == 2 and len(first) == 2
    # v2 answered from 21 s on (400 × 50 ms after the prober began at 1 s), and the address moved at 20 s.
    a_second = (report_page.WIDTH - report_page.LEFT - report_page.RIGHT) / 30
    assert min(first[1]) - bars[1][0] == pytest.approx(a_second, abs=1)


def test_each_lost_request_is_marked(tmp_path: Path, clock: Clock) -> None:
    page = shown(a_release(tmp_path, clock, lost=3, outcome="failed"))
    assert len(page.classes("lost")) == 3
    assert "It was <too> slow." in page.text
    assert any("bad" in (card["class"] or "") for card in page.classes("card"))


def test_a_run_that_nobody_watched_says_so(tmp_path: Path, clock: Clock) -> None:
    run = Run.begin(tmp_path, {"environment": "local", "command": "destroy"})
    page = shown(run)
    assert "Nothing was live before this run" in page.text and "No step was begun" in page.text
    assert "running" in report.render(record.parse(run.path.read_text()))


def test_the_last_run_is_found_and_any_other_by_its_beginning(tmp_path: Path, clock: Clock) -> None:
    book = a_ledger(tmp_path)
    with pytest.raises(PipelineError, match="There is no run yet"):
        report.find(book, None)
    for name in ("20261121T100000Z-aaaaaa", "20261121T110000Z-bbbbbb"):
        run = a_release(book.folder, clock)
        run.path.rename(run.path.with_name(f"{name}.jsonl"))
    find: Callable[[str | None], str] = lambda name: report.find(book, name).begun_at  # noqa: E731
    assert find(None) and find("20261121T10")
    with pytest.raises(PipelineError, match="2 runs begin with 2026"):
        report.find(book, "2026")
    with pytest.raises(PipelineError, match="There is no run 2027"):
        report.find(book, "2027")
    assert report.render_all(report.all_of(book)).count("deploy <v2>") == 2
