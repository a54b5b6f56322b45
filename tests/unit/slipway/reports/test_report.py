"""A run told in the terminal and as a page, from a ledger file as runs write it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import PipelineError
from slipway.names import Names
from slipway.reports import report, report_page
from slipway.runs import ledger, record
from slipway.runs.ledger import Ledger, Run
from slipway.traffic import metrics
from slipway.verification.sample import Sample

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
    run.write("cutover", **metrics.told(samples, BEGAN.timestamp() + 1))
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


HOSTILE = "<script>\x1b[2J\u202e\"'&\n✓ done</script>"
BEGINS = {"event": "begins", "at": "2026-11-21T10:00:00.000Z", "run": "r", "command": "deploy", "environment": "local"}
ODD_EVENTS: list[dict[str, Any]] = [
    {"event": "step begins"},
    {"event": "step begins", "step": ["x"]},
    {"event": "step ends", "step": "x", "outcome": {}},
    {"event": "target", "release": 7},
    {"event": "target"},
    {"event": "warning", "text": None},
    {"event": "warning", "text": "x", "pid": "one"},
    {"event": "cutover", "figures": {}, "samples": None},
    {"event": "cutover"},
    {"event": "ends", "outcome": ["died"]},
]
BAD_LINES = [
    "",
    "{",
    "[" * 100_000,
    "null",
    '{"event": "warning"}',
    '{"event": 7, "at": "2026-11-21T10:00:00Z"}',
    *(
        json.dumps({"event": "warning", "at": at, "text": "x"})
        for at in (
            "yesterday",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59Z",
            7,
        )
    ),
    *(json.dumps({"at": "2026-11-21T10:00:01Z", **event}) for event in ODD_EVENTS),
    '{"event": "cutover", "at": "2026-11-21T10:00:01Z", "figures": {"sent": NaN, "lost": 1e999}, "samples": {}}',
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda bad: bad[:40])
def test_one_bad_line_is_left_out_named_and_nothing_else(tmp_path: Path, clock: Clock, bad: str) -> None:
    whole = a_release(tmp_path, clock).path.read_text().splitlines()
    said: list[str] = []
    found = record.parse("\n".join([*whole[:2], bad, *whole[2:]]), said.append)
    assert found == record.parse("\n".join(whole))
    report_page.page(found), report.render(found)
    assert said == [] if not bad else len(said) == 1 and said[0].startswith("line 3 was left out: ")


def test_any_field_of_any_line_may_be_anything(tmp_path: Path, clock: Clock) -> None:
    lines = [json.loads(line) for line in a_release(tmp_path, clock, lost=2).path.read_text().splitlines()]
    odd: list[Any] = [None, True, -1, 1e300, 10**400, "", "yesterday", HOSTILE, [], [[]], {}, {"a": [None]}]
    for path in places(lines):
        for value in odd:
            try:
                found = record.parse("\n".join(json.dumps(line) for line in put(lines, path, value)))
            except PipelineError as error:
                assert path[0] == 0, f"only a run that does not begin is refused: {path} {error}"
                continue
            for told in (report.render(found), report.render_all([found])):
                assert "\x1b" not in told and "\u202e" not in told
            assert Page(report_page.page(found)).open == []


def test_every_text_of_a_run_is_escaped_in_the_page_and_harmless_in_the_terminal(tmp_path: Path, clock: Clock) -> None:
    lines = [
        json.loads(line) for line in a_release(tmp_path, clock, lost=2, outcome="failed").path.read_text().splitlines()
    ]
    lines += [{**BEGINS, "event": kind, "text": "said"} for kind in ("evidence", "plan", "way back")]
    texts = [path for path in places(lines) if isinstance(at(lines, path), str) and path[-1] not in {"event", "at"}]
    assert len(texts) > 20
    for path in texts:
        found = record.parse("\n".join(json.dumps(line) for line in put(lines, path, HOSTILE)))
        page = report_page.page(found)
        assert "<script>" not in page and "\x1b" not in page and "\u202e" not in page, path
        assert Page(page).open == []
        told = report.render(found)
        assert "\x1b" not in told and "\u202e" not in told and "\n✓ done" not in told, path


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within plain data; of long lists the first two alone."""
    if path:
        yield path
    entries = data.items() if isinstance(data, dict) else enumerate(data[:12]) if isinstance(data, list) else ()
    for name, value in entries:
        if not (len(path) > 3 and isinstance(name, int) and name > 1):
            yield from places(value, (*path, name))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        data = data[name]
    return data


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The same with another value at one place."""
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


def test_a_run_that_cannot_be_read_is_named_in_the_list(tmp_path: Path, clock: Clock) -> None:
    book = a_ledger(tmp_path)
    a_release(book.folder, clock)
    (book.folder / "20991121T100000Z-ffffff.jsonl").write_text('{"event": "begins", "at": "yesterday"}\n')
    said: list[str] = []
    assert len(report.all_of(book, warn=said.append)) == 1
    assert all("20991121T100000Z-ffffff" in each for each in said) and len(said) == 2
