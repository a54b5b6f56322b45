"""Which local cloud is meant, and when its command line need not be asked for it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.config import Cloud
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.tools.localocean import LocalCloud
from tests.unit.slipway.sockets import Answer, says, wire

OWN = Cloud("local", "http://127.0.0.1:1", "own-token")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """A local cloud of the user's that is down, and whose port nothing listens on until it is started."""
    found = LocalCloud(tmp_path, Progress())
    monkeypatch.setattr(found, "up", lambda: OWN)
    return found


@pytest.fixture
def another() -> Iterator[str]:
    """The address of another local cloud, which listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_without_exports_it_is_the_users_own(local: LocalCloud) -> None:
    assert local.of({}) == local.of({"DIGITALOCEAN_TOKEN": "x"}) == OWN
    assert local.of({"DIGITALOCEAN_API_URL": "https://api.digitalocean.com", "DIGITALOCEAN_TOKEN": "x"}) == OWN


def test_the_exports_of_another_one_choose_that(local: LocalCloud, another: str) -> None:
    environ = {"DIGITALOCEAN_API_URL": f"{another}/", "DIGITALOCEAN_TOKEN": "theirs"}
    assert local.of(environ) == Cloud("local", another, "theirs")


def test_the_exports_of_ones_own_start_it(local: LocalCloud) -> None:
    assert local.of({"DIGITALOCEAN_API_URL": OWN.endpoint, "DIGITALOCEAN_TOKEN": "old"}) == OWN


def test_the_exports_of_one_that_is_gone_are_named(local: LocalCloud, another: str) -> None:
    gone = "http://127.0.0.1:2"
    with pytest.raises(PipelineError, match=f"names a local cloud at {gone}, and nothing answers") as error:
        local.of({"DIGITALOCEAN_API_URL": gone, "DIGITALOCEAN_TOKEN": "x"})
    assert OWN.endpoint in error.value.hint


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `localocean up` was asked, which answers with the endpoint in ENDPOINT and the process 7."""
    asked: list[str] = []

    def run(self: LocalCloud, *words: str) -> str:
        asked.append(" ".join(words))
        return json.dumps({"endpoint": os.environ["ENDPOINT"], "token": "t", "pid": 7, "state": "/state"})

    monkeypatch.setattr(LocalCloud, "_run", run)
    return asked


def healthy(**changed: object) -> Answer:
    health = {"pid": 7, "state": "/state", "bases": {"debian-12-x64": "ready"}, **changed}
    return says(200, json.dumps(health).encode())


def test_a_server_that_still_runs_is_not_asked_for_again(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire(healthy()) as served:
        monkeypatch.setenv("ENDPOINT", f"http://127.0.0.1:{served.port}")
        first, second = LocalCloud(tmp_path, Progress()).up(), LocalCloud(tmp_path, Progress()).up()
        assert first == second == Cloud("local", os.environ["ENDPOINT"], "t") and asked == ["up --json"]
        monkeypatch.setenv("LOCALOCEAN_STATE", "/elsewhere")
        LocalCloud(tmp_path, Progress()).up()
        assert len(asked) == 2
    LocalCloud(tmp_path, Progress()).up()
    assert len(asked) == 3, "one that is down is started"
    assert (tmp_path / ".slipway" / "localocean.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "answer",
    [
        healthy(pid=8),
        healthy(state="/another"),
        healthy(bases={"debian-12-x64": "making"}),
        healthy(bases=None),
        says(200, b"[]"),
        says(200, b"<html>"),
        says(404),
    ],
)
def test_another_server_at_the_same_port_is_not_taken_for_it(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    with wire(answer) as served:
        monkeypatch.setenv("ENDPOINT", f"http://127.0.0.1:{served.port}")
        for _ in range(2):
            LocalCloud(tmp_path, Progress()).up()
    assert len(asked) == 2


def test_a_memory_that_is_no_memory_is_written_anew(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".slipway").mkdir()
    with wire(healthy()) as served:
        monkeypatch.setenv("ENDPOINT", f"http://127.0.0.1:{served.port}")
        for text in ("", "[]", '{"answer": 1}', "\0"):
            (tmp_path / ".slipway" / "localocean.json").write_text(text)
            LocalCloud(tmp_path, Progress()).up()
    assert len(asked) == 4
