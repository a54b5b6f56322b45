"""Which local cloud is meant."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import Cloud
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.tools.localcloud import LocalCloud

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
