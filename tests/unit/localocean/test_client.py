"""Nobody is taken for the server who is not."""

from __future__ import annotations

import fcntl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from localocean import client, credentials, daemon, lock
from localocean.config import Config, ConfigError
from localocean.host.errors import HostError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path), "LOCALOCEAN_PORT": "1"})


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


def test_variables_of_the_former_name_are_refused_and_translated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LOCALCLOUD_PORT: the local cloud and its variables are called") as error:
        Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path), "LOCALCLOUD_PORT": "9000"})
    assert error.value.hint == "Unset it, or write LOCALOCEAN_PORT."


class Former(BaseHTTPRequestHandler):
    """A local cloud of before."""

    def do_GET(self) -> None:
        known = self.path == "/_localcloud/health"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b'{"state": "/var/lib/localcloud/default"}' if known else b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


def test_a_cloud_of_the_former_name_that_has_the_port_is_named() -> None:
    with HTTPServer(("127.0.0.1", 0), Former) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = daemon.port_busy(server.server_port, "PORT")
        server.shutdown()
    assert "when it was called localcloud" in said.message and "./invoke cloud.reset" in said.hint
    assert "is used by another program" in daemon.port_busy(1, "PORT").message
