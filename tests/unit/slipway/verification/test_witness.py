"""What a droplet says of itself, with its loopback played by a server here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from slipway.contract import earlier
from slipway.environment.reference import Release
from slipway.errors import PipelineError
from slipway.tools import ssh
from slipway.traffic.gates import Seen, When, failed
from slipway.traffic.metrics import Latency
from slipway.verification import witness
from slipway.verification.app_client import AppClient
from slipway.verification.sample import Sample
from slipway.verification.witness import Witness, Word
from tests.unit.slipway.sockets import Answer, Instant, hangs_up, says, wire

RELEASE = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", {"PORT": "9"})
MINE = says(200, json.dumps({"release": RELEASE.key}).encode())
OTHER = says(200, b'{"release": "v1-0"}')
BEFORE = Latency(100, 5.0, 10.0)


def trouble(samples: Sequence[Sample]) -> str:
    """What the gates say of a droplet's own answers."""
    return failed(When.SOAK, Seen(samples, before=BEFORE))


@contextmanager
def loopback(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """A droplet whose loopback is the server of such answers, and whose shell is one of this machine."""
    session: Any = None

    @contextmanager
    def connected(self: Witness) -> Iterator[Any]:
        yield None

    def execute(client: Any, command: str, *, timeout: float) -> ssh.Result:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=timeout)
        return ssh.Result(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(Witness, "_connected", connected)
    monkeypatch.setattr(ssh, "execute", execute)
    with wire(answer) as served:
        monkeypatch.setattr(Release, "contract", earlier({"PORT": str(served.port)}))
        yield Witness(session, RELEASE, "127.0.0.1", Instant())


@contextmanager
def unreachable(self: Witness) -> Iterator[Any]:
    raise PipelineError("192.0.2.1 cannot be reached by SSH: timed out.")
    yield


@pytest.mark.parametrize(
    ("answer", "word"), [(MINE, Word.FINE), (OTHER, Word.UNWELL), (hangs_up, Word.UNWELL), (says(503), Word.UNWELL)]
)
def test_a_droplet_says_how_its_app_is(monkeypatch: pytest.MonkeyPatch, answer: Answer, word: Word) -> None:
    with loopback(answer, monkeypatch) as droplet:
        assert droplet.word() is word


def test_a_droplet_that_cannot_be_reached_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Witness, "_connected", unreachable)
    session: Any = None
    droplet = Witness(session, RELEASE, "192.0.2.1", Instant())
    assert (droplet.word(), droplet.restarts(), droplet.against(trouble)) == (Word.SILENT, None, None)


@pytest.mark.parametrize(("printed", "count"), [("3\n", 3), ("0\n", 0), ("", None), ("Failed to connect\n", None)])
def test_restarts_are_counted_where_the_droplet_tells(
    monkeypatch: pytest.MonkeyPatch, printed: str, count: int | None
) -> None:
    @contextmanager
    def connected(self: Witness) -> Iterator[Any]:
        yield None

    monkeypatch.setattr(Witness, "_connected", connected)
    monkeypatch.setattr(ssh, "execute", lambda client, command, timeout: ssh.Result(0, printed, ""))
    session: Any = None
    assert Witness(session, RELEASE, "192.0.2.1", Instant()).restarts() == count


def test_what_was_seen_from_here_is_compared_with_what_the_droplet_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(MINE, monkeypatch) as droplet:
        assert droplet.against(trouble) == ""
    with loopback(hangs_up, monkeypatch) as droplet:
        assert droplet.against(trouble) == Word.UNWELL.value
        monkeypatch.setattr(Witness, "word", lambda self: Word.FINE)
        assert droplet.against(trouble) == "60 of 60 requests were lost (1% allowed)"


def test_the_path_is_suspect_only_when_nothing_answers_here_and_the_droplet_is_fine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with loopback(MINE, monkeypatch) as droplet:
        monkeypatch.setattr(AppClient, "is_silent", lambda client: True)
        monkeypatch.setattr(Witness, "is_met_from_here", lambda self: False)
        assert witness.suspects_path(droplet, "127.0.0.1")
        monkeypatch.setattr(Witness, "is_met_from_here", lambda self: True)
        assert not witness.suspects_path(droplet, "127.0.0.1")
    with loopback(OTHER, monkeypatch) as droplet:
        monkeypatch.setattr(Witness, "is_met_from_here", lambda self: False)
        assert not witness.suspects_path(droplet, "127.0.0.1")
