"""The verbs with which people look at a droplet and go into it."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.contract.support import Api, Daemon
from tests.support import until


def test_a_droplet_is_seen_and_entered(daemon: Daemon, api: Api, clean: None, tmp_path: Path) -> None:
    key = tmp_path / "key"
    droplet = api.droplet(name="web", ssh_keys=[api.key(key)["id"]])
    words = ["ssh", "-i", str(key), "web", "--", "hostname; exit 7"]
    until(lambda: daemon.run(*words, check=False).returncode == 7)
    assert daemon.run(*words, check=False).stdout == "web\n"

    stranger = daemon.run("ssh", "-i", "/dev/null", "web", "--", "true", check=False)
    assert stranger.returncode == 1 and "✗ ssh did not get into droplet" in stranger.stderr

    assert daemon.run("shell", str(droplet["id"]), "--", "cat", "/etc/hostname").stdout == "web\n"
    assert daemon.run("shell", "web", "--", "sh", "-c", "exit 5", check=False).returncode == 5
    assert daemon.run("console", "web").stdout

    [seen] = json.loads(daemon.run("status", "--json").stdout)["droplets"]
    assert seen["id"] == droplet["id"] and seen["bytes"] > 0
    assert f"{droplet['id']}  web   active" in daemon.run("status").stdout


def test_an_open_shell_is_on_a_terminal_and_does_not_keep_a_droplet_from_shutting_down(
    daemon: Daemon, api: Api, clean: None
) -> None:
    droplet = api.droplet(name="web")
    daemon.run("shell", "web", "--", "cloud-init", "status", "--wait")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
    command = [sys.executable, "-m", "localocean", "shell", "web"]
    with subprocess.Popen(command, env=daemon.env, stdin=theirs, stdout=theirs, stderr=theirs) as shell:
        os.close(theirs)
        try:
            use_and_shut_down(ours, api, droplet["id"])
            assert shell.wait(20) != 0
        finally:
            shell.kill()
    os.close(ours)


def use_and_shut_down(ours: int, api: Api, droplet: int) -> None:
    expect(ours, b"root@web")
    os.write(ours, b"stty size; sh -c 'echo $((20 + 3)); exec sleep 4711'\n")  # what says 23 is what Ctrl-C ends
    assert b"33 111" in expect(ours, b"23\r\n")
    os.write(ours, b"\3")
    expect(ours, b"root@web")  # the shell throws away what was typed before it asks again
    os.write(ours, b"echo $((20 + 4))\n")
    expect(ours, b"24\r\n")
    api.act(droplet, "shutdown")
    assert api.get(f"/v2/droplets/{droplet}")["droplet"]["status"] == "off"


def expect(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows, until it shows that."""
    said, deadline = b"", time.monotonic() + 60
    while wanted not in said:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], said
        said += os.read(terminal, 4096)
    return said


def test_a_request_is_one_line_without_secrets(daemon: Daemon, api: Api) -> None:
    answer = api.send("GET", "/v2/account?secret=of-the-query")
    log = daemon.run("logs").stdout
    [line] = [line for line in log.splitlines() if answer.headers["x-request-id"] in line]
    assert "GET /v2/account 200" in line and line.endswith("ms")
    assert api.token not in log and "of-the-query" not in log


def test_who_reads_no_further_hears_no_complaint(daemon: Daemon, api: Api, clean: None, tmp_path: Path) -> None:
    key = tmp_path / "key"
    api.droplet(name="web", ssh_keys=[api.key(key)["id"]])
    ssh = ["ssh", "-i", str(key), "web", "--"]
    until(lambda: daemon.run(*ssh, "true", check=False).returncode == 0)
    for words, code in (
        (["logs"], -signal.SIGPIPE),
        (["shell", "web", "--", "yes"], 128 + signal.SIGPIPE),
        ([*ssh, "yes"], 255),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "localocean", *words]
        done = subprocess.run(command, env=daemon.env, stdout=writer, stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        assert (done.returncode, done.stderr) == (code, b""), words


def test_a_name_that_is_no_droplets(daemon: Daemon, api: Api) -> None:
    for verb in ("ssh", "shell", "console"):
        refused = daemon.run(verb, "nobody", check=False)
        assert refused.returncode == 1
        kind = "droplet" if verb == "ssh" else "droplet or database"
        assert refused.stderr == f"✗ There is no {kind} nobody.\n  See them: localocean status\n"
