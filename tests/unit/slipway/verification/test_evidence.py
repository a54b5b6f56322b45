"""What is kept of a failure: the app's own words in the message, and nothing that was to stay secret."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from slipway.contract import Contract
from slipway.environment.reference import Release
from slipway.errors import PipelineError
from slipway.tools import ssh
from slipway.verification import evidence
from slipway.verification.app_client import AppClient
from tests.unit.slipway.sockets import drips, wire

RELEASE = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", {"APP_MESSAGE": "Hello, world"})
CONF_ENV = 'APP_DATABASE_URL="postgres://app_1:sesame-open@10.0.0.2:25060/app"\nAPP_MESSAGE="Hello, world"\n'
JOURNAL = """Nov 21 app[7]: {"level":"INFO","msg":"starting","message":"Hello, world"}
Nov 21 app[7]: {"level":"ERROR","msg":"the settings are wrong","problem":"sesame-open is no port"}
"""


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A droplet that answers by SSH, and by HTTP that it is not ready."""

    @contextmanager
    def connect(*arguments: object, **options: object) -> Any:
        yield None

    answer = requests.Response()
    answer.status_code, answer._content = 503, b'{"status":"unavailable","reason":"schema"}'
    monkeypatch.setattr(ssh, "connect", connect)
    monkeypatch.setattr(ssh, "execute", lambda client, command, **options: ssh.Result(0, CONF_ENV, ""))
    monkeypatch.setattr(ssh, "run", lambda client, command, seconds, most: JOURNAL)
    monkeypatch.setattr(AppClient, "ask", lambda *arguments: answer)
    key = SimpleNamespace(identity=tmp_path / "id", host_key=lambda name: SimpleNamespace(public="ssh-ed25519 AAAA"))
    return SimpleNamespace(environ={"SLIPWAY_EVIDENCE": str(tmp_path / "kept")}, key=key)


def test_the_message_has_the_apps_own_words_and_nothing_has_its_secrets(session: Any) -> None:
    error = PipelineError("Release v2 failed.", "A hint with sesame-open in it.")
    folder = evidence.keep(session, RELEASE, "198.18.0.7", error, "the tests saw sesame-open")
    kept = evidence.failure(folder)
    assert kept is not None and kept.message == "Release v2 failed."
    assert "The app is not ready: schema." in kept.hint
    assert "The app says: the settings are wrong" in kept.hint and "The evidence is in" in kept.hint
    texts = [path.read_text() for path in folder.iterdir()]
    assert not any("sesame-open" in text for text in texts)
    assert any("Hello, world" in text for text in texts)


def test_a_folder_without_a_failure_has_none(tmp_path: Path) -> None:
    assert evidence.failure(tmp_path) is None


def test_what_was_only_noted_is_completed_when_nobody_waits_any_more(session: Any, tmp_path: Path) -> None:
    folder = tmp_path / "noted"
    evidence.complete(session, RELEASE, "198.18.0.7", folder)
    assert not folder.exists()
    evidence.note(folder, PipelineError("Release v2 failed.", "A hint."))
    assert [path.name for path in folder.iterdir()] == ["failure.txt"]
    evidence.complete(session, RELEASE, "198.18.0.7", folder, "the tests saw sesame-open")
    kept = evidence.failure(folder)
    assert kept is not None and (kept.message, kept.hint.splitlines()[0]) == ("Release v2 failed.", "A hint.")
    assert "The app says: the settings are wrong" in kept.hint
    assert "sesame-open" not in (folder / "verification.txt").read_text()
    before = (folder / "failure.txt").read_text()
    evidence.complete(session, RELEASE, "198.18.0.7", folder)
    assert (folder / "failure.txt").read_text() == before


def test_an_app_that_streams_for_ever_does_not_hold_the_evidence_up() -> None:
    stream = drips(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: x\n\n", 0.05)
    with wire(stream) as served:
        app = AppClient("127.0.0.1", Contract(front=False, port=served.port), seconds=0.3)
        said = list(evidence._responses(app, ("/healthz", "/")))
    assert len(said) == 2
    assert all("no end of the answer" in each for each in said)
