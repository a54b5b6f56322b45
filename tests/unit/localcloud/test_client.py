"""Nobody is taken for the server who is not."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from localcloud import client, credentials, lock
from localcloud.config import Config
from localcloud.host.errors import HostError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_environment({"LOCALCLOUD_STATE": str(tmp_path), "LOCALCLOUD_PORT": "1"})


def test_a_stale_lock_file_is_not_a_server(config: Config) -> None:
    (config.state / "server.lock").write_text("1")
    assert lock.server_pid(config) is None
    assert client.health(config) is None


def test_one_server_per_state_directory(config: Config) -> None:
    with lock.claim(config):
        assert lock.server_pid(config)
        assert client.health(config) is None
        with pytest.raises(HostError, match="already runs"), lock.claim(config):
            pass
    assert lock.server_pid(config) is None


def test_who_looks_for_a_server_keeps_none_from_starting(config: Config) -> None:
    with (config.state / "server.lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (looking.fileno(), fcntl.LOCK_UN)).start()
        with lock.claim(config):
            assert lock.server_pid(config)


def test_the_token_is_made_once_and_shown_to_nobody(config: Config) -> None:
    first = credentials.ensure(config)
    assert credentials.ensure(config) == first
    assert first.token not in repr(first)
    assert (config.state / "credentials.json").stat().st_mode & 0o777 == 0o600
