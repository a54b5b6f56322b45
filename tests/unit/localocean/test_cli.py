"""What the command line shows, and its failures in a sentence."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localocean import client
from localocean import overview as tables
from localocean.cli import VERBS, main
from localocean.config import Config
from localocean.engine import overview
from localocean.engine.cloud import Cloud
from localocean.engine.droplet_actions import Wish
from localocean.engine.droplets import DropletOrder
from localocean.engine.errors import NotFound, Unprocessable
from localocean.host import requirements
from localocean.host.errors import HostError
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms

ORDER = DropletOrder(["web"], "nyc3", "s-1vcpu-512mb-10gb", "debian-12-x64")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJVnRsmBDBoBhMqiOsIsVLLs7SkbAqVvXFtVqdxBdnZT"


def test_status_shows_what_there_is(cloud: Cloud) -> None:
    droplet = cloud.droplets.create(ORDER)[0][0].droplet
    settle(cloud)
    cloud.droplet_actions.act(droplet.id, Wish("snapshot", "kept"))
    settle(cloud)
    found, bytes_of = overview.status(cloud), overview.usage(cloud)
    for kind in ("droplets", "images"):
        for each in found[kind]:
            each["bytes"] = bytes_of[kind][str(each["id"])]
    lines = "\n".join(tables.render(found, "http://127.0.0.1:1"))
    assert f"{droplet.id}  web   active" in lines
    assert "kept" in lines and "10.0 MB" in lines and "debian-12-x64" in lines


def test_the_way_in_is_told_from_the_disk(cloud: Cloud, rooms: Rooms) -> None:
    droplet = cloud.droplets.create(ORDER)[0][0].droplet
    settle(cloud)
    with pytest.raises(Unprocessable, match="no host key yet"):
        overview.login(cloud, droplet.id)
    folder = rooms.root(droplet.id) / "etc" / "ssh"
    folder.mkdir(parents=True)
    (folder / "ssh_host_ed25519_key.pub").write_text(f"{KEY} root@web\n")
    (folder / "ssh_host_rsa_key.pub").write_text("$(reboot) of no use\n")
    assert overview.login(cloud, droplet.id) == overview.Login(cloud.droplets.record(droplet.id).public_address, [KEY])
    with pytest.raises(NotFound):
        overview.login(cloud, 1)


@pytest.mark.parametrize("verb", [["status"], ["env"], ["logs"], ["console", "web"], ["ssh", "web"]])
def test_without_a_cloud_each_verb_is_one_sentence(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALOCEAN_STATE", str(tmp_path))
    monkeypatch.setattr("localocean.cli._become_root", _nothing)
    assert main(verb) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("✗ ") and said[1].startswith("  ") and len(said) == 2
    assert verb == ["logs"] or "is not running" in said[0]


@pytest.mark.parametrize("state", ["/dev/null", "/dev/null/below"])
def test_a_state_that_is_no_directory_is_one_sentence(state: str) -> None:
    config = Config.from_environment({"LOCALOCEAN_STATE": state})
    assert client.health(config) is None
    with pytest.raises(HostError, match="/dev/null is no directory"):
        requirements.check_folder(config.state)


def test_a_log_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(config: Config, arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "server.log")

    monkeypatch.setitem(VERBS, "down", full)
    assert main(["down"]) == 1
    assert capsys.readouterr().err.startswith(
        "✗ The system refuses: [Errno 28] No space left on device: 'server.log'.\n"
    )


def test_nobody_waits_for_a_password_that_none_can_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\necho sudo: a password is required >&2\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setattr("localocean.host.run.ENVIRONMENT", {"PATH": f"{tmp_path}:/bin"})
    monkeypatch.setenv("LOCALOCEAN_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["up"]) == 1
    sentence, hint = capsys.readouterr().err.splitlines()
    assert sentence.startswith("✗ ") and "a password is required" in sentence and "terminal" in hint


def _nothing(*arguments: object) -> None:
    """Whoever runs this need not be root."""


def test_what_a_droplet_prints_is_readable_and_steers_no_terminal(tmp_path: Path) -> None:
    printed = (
        "[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mbasic.target\x1b[0m.\r\n"
        "\x1b]0;title\x07\x1b[2J\x1b[1;1Hcolumn\tone \u202egnp.exe \x9b31m\x1b]52;c;cm0=\x1b\\\x1bc\x1b[8mhidden\n"
        "\x1b]" + "x" * 1000 + "\n\x1b[" + "1;" * 1000 + "m end"
    )
    (tmp_path / "console").write_bytes(printed.encode() + b"\xff\xfe\n")
    code = "import sys; from pathlib import Path; from localocean.visits import _view; "
    code += "_view(Path(sys.argv[1]), '+1', follow=False)"
    argv = [sys.executable, "-c", code, str(tmp_path / "console")]
    shown = subprocess.run(argv, capture_output=True, check=True).stdout.decode()
    lines = shown.split("\n")
    assert lines[0] == "[  OK  ] Reached target basic.target."
    assert lines[1] == "column  one \\u202egnp.exe \\x9b31m\\x1bchidden"
    assert all(each.isprintable() for each in lines)


def test_a_followed_log_goes_on_and_ends_with_its_reader(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    code = "import sys; from pathlib import Path; from localocean.visits import _view; "
    code += "_view(Path(sys.argv[1]), '+1', follow=True)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE) as view:
        assert view.stdout is not None
        assert view.stdout.readline() == b"one\n"
        with (tmp_path / "log").open("a") as log:
            log.write("two\n")
        assert view.stdout.readline() == b"two\n"
        view.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and subprocess.run(["pgrep", "-f", f"tail .*{tmp_path}/log"]).returncode == 0:
        time.sleep(0.2)
    assert subprocess.run(["pgrep", "-f", f"tail .*{tmp_path}/log"]).returncode == 1
