"""What a verification that failed is said to have failed at."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.environment.reference import Release
from slipway.errors import PipelineError
from slipway.verification import evidence, verify
from slipway.verification.verify import Subject
from slipway.verification.witness import Witness, Word
from tests.unit.slipway.projects import project
from tests.unit.slipway.sockets import drips, says, wire


def test_the_tests_that_failed_are_named_as_sentences(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    failed = '<testcase name="test_it_is_ready"><failure/></testcase>'
    report.write_text(f'<testsuites><testsuite><testcase name="test_other"/>{failed}</testsuite></testsuites>')
    assert verify._failures(report) == "it is ready"


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsu"])
def test_a_report_that_a_full_disk_cut_short_is_no_traceback(tmp_path: Path, text: str | None) -> None:
    report = tmp_path / "report.xml"
    if text is not None:
        report.write_text(text)
    assert verify._failures(report) == "the tests did not run, or could not be written down"


ROOT = Path(__file__).parents[4]
STREAM = drips(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: x\n\n", 0.05)


API = SimpleNamespace(floating_ip_target=lambda address: None, droplets=lambda tag: [])


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session that verifies with the real tests, and keeps no evidence but the error."""

    def keep(session: Any, release: Release, address: str, error: PipelineError, output: str = "") -> Path:
        (tmp_path / "failure.txt").write_text(error.message)
        return tmp_path

    monkeypatch.setattr(evidence, "keep", keep)
    key = SimpleNamespace(identity=tmp_path / "id", host_key=lambda name: SimpleNamespace(public="ssh-ed25519 AAAA"))
    settings = SimpleNamespace(tag="t", work=tmp_path, project=project(ROOT, verification={"deadline": 5}))
    progress = SimpleNamespace(step=lambda title: nullcontext(), warn=lambda text: None)
    return SimpleNamespace(settings=settings, key=key, progress=progress, environ={}, api=API)


def subject(port: int) -> Subject:
    release = Release("v2", "c0ffee", "app-v2", "s-1vcpu-1gb", "feed", {"PORT": str(port)})
    return Subject(release, "127.0.0.1", through_floating_ip=True)


def test_a_verification_that_has_no_end_is_ended_and_says_what_it_asked(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LOOK_S", -2.5)  # of five seconds in all
    with wire(STREAM) as served:
        start = time.monotonic()
        with pytest.raises(PipelineError, match="it had no end after 2 s, while it asked whether (the|it) "):
            verify.verify(session, subject(served.port))
        assert time.monotonic() - start < 20


@pytest.mark.parametrize("word", [Word.FINE, Word.UNWELL, Word.SILENT])
def test_a_silence_at_the_address_counts_unless_the_droplet_itself_is_fine(
    session: Any, monkeypatch: pytest.MonkeyPatch, word: Word
) -> None:
    droplet = SimpleNamespace(id=7, address="127.0.0.1")
    session.api = SimpleNamespace(floating_ip_target=lambda address: 7, droplets=lambda tag: [droplet])
    monkeypatch.setattr(Witness, "word", lambda witness: word)
    monkeypatch.setattr(Witness, "is_met_from_here", lambda witness: False)
    warned: list[str] = []
    session.progress.warn = warned.append
    nobody = subject(9)
    if word is Word.FINE:
        assert verify.verify(session, nobody).subject == nobody
        assert "the path from this machine is suspect" in warned[0]
    else:
        with pytest.raises(PipelineError, match="failed its verification: the release that answers is the wanted one"):
            verify.verify(session, nobody)


def test_a_wrong_answer_at_the_address_is_no_silence(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Witness, "word", lambda witness: Word.FINE)
    with wire(says(200, b'{"release": "another"}')) as served, pytest.raises(PipelineError, match="failed its"):
        verify.verify(session, subject(served.port))


def test_a_failure_at_the_address_is_noted_and_its_evidence_waits_for_the_way_back(
    session: Any, tmp_path: Path
) -> None:
    session.environ["SLIPWAY_EVIDENCE"] = str(tmp_path / "kept")
    with pytest.raises(PipelineError):
        verify.verify(session, subject(9))
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["failure.txt"]
