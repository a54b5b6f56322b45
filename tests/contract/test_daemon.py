"""The command line: up, down, status, reset, env; crashes and restarts."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.contract.support import Api, Daemon, control_groups
from tests.support import until


def connect(started: dict[str, str]) -> Api:
    return Api(started["endpoint"], started["token"])


def traces(daemon: Daemon) -> list[str]:
    """What of the cloud is in the kernel."""
    bridge = daemon.env["LOCALOCEAN_BRIDGE"]
    shown = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (
            ["ip", "link"],
            ["ip", "route"],
            ["ip", "rule"],
            ["nft", "list", "tables"],
            ["ps", "axww", "-o", "args"],
        )
    ]
    shown.append(Path("/proc/mounts").read_text())
    found = [line for text in shown for line in text.splitlines()]
    found += [str(path) for path in control_groups(f"*localocean-{bridge}-*")]
    # Not those of a cloud whose number begins with this one's.
    wanted = rf"{bridge}p?:|_{bridge}\b|-{bridge}-|dev {bridge}p?\b|{re.escape(str(daemon.state))}"
    return [line for line in found if re.search(wanted, line)]


def test_up_starts_nothing_when_it_is_up(daemon: Daemon, api: Api) -> None:
    started = daemon.up()
    assert daemon.up() == started
    assert started["endpoint"] == api.endpoint and Path(f"/proc/{started['pid']}").exists()
    assert set(started) == {"endpoint", "https", "token", "state", "pid", "network"}


def test_credentials_are_for_the_owner_alone(daemon: Daemon, api: Api) -> None:
    assert (daemon.state / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert daemon.state.stat().st_mode & 0o777 == 0o711
    api.delete_droplet(api.droplet()["id"])
    for path in ("server.log", "server.lock", "up.lock", "cloud.db", "disks", "machines", "tls"):
        assert not (daemon.state / path).stat().st_mode & 0o077, path


@pytest.mark.parametrize("umask", [0o077, 0], ids=["strict", "none"])
def test_the_callers_umask_decides_nothing(other_daemon: Daemon, umask: int) -> None:
    command = [sys.executable, "-m", "localocean", "up", "--json"]
    done = subprocess.run(command, env=other_daemon.env, umask=umask, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    api = connect(json.loads(done.stdout))
    with api.session:
        api.droplet(name="web")
    places = ("/", "/etc", "/root", "/tmp", "/etc/resolv.conf", "/var/lib/cloud/seed")
    modes = other_daemon.run("shell", "web", "--", "stat", "--format=%a", *places).stdout.split()
    assert modes == ["755", "755", "700", "1777", "644", "755"]
    assert other_daemon.state.stat().st_mode & 0o777 == 0o711
    assert (other_daemon.state / "config.json").stat().st_mode & 0o777 == 0o644
    for path in other_daemon.state.iterdir():
        assert not path.lstat().st_mode & 0o022, path


def test_env_exports_both_spellings(daemon: Daemon, api: Api) -> None:
    lines = daemon.run("env").stdout.splitlines()
    assert f"export DIGITALOCEAN_API_URL={api.endpoint}" in lines
    assert f"export DIGITALOCEAN_END_POINT={api.endpoint}/v2/" in lines
    assert f"export DIGITALOCEAN_TOKEN={api.token}" in lines
    assert f"export DIGITALOCEAN_ACCESS_TOKEN={api.token}" in lines


def test_it_listens_on_loopback_only(daemon: Daemon, api: Api) -> None:
    port = int(api.endpoint.rsplit(":", 1)[1])
    table = Path("/proc/net/tcp").read_text()
    listening = [line.split()[1] for line in table.splitlines() if line.split()[3] == "0A"]
    # The second is the metadata service, at the gateway, which only droplets reach (see test_metadata.py).
    gateway = IPv4Network(daemon.env["LOCALOCEAN_RANGE"])[1].packed[::-1].hex().upper()
    found = {address for address in listening if address.endswith(f":{port:04X}")}
    assert found == {f"0100007F:{port:04X}", f"{gateway}:{port:04X}"}


def test_a_busy_port_is_one_sentence(other_daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", int(other_daemon.env["LOCALOCEAN_PORT"]))):
        done = other_daemon.run("up", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"✗ Port {other_daemon.env['LOCALOCEAN_PORT']} is used by another program.")
    assert "\n  Stop that program" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["state", "above", "linked"])
def test_a_place_that_others_can_change_is_refused(other_daemon: Daemon, place: str) -> None:
    state, theirs = other_daemon.state, other_daemon.state.parent / "theirs"
    if place == "state":
        state.mkdir()
        state.chmod(0o1777)
    if place == "above":
        os.chown(state.parent, 4321, 4321)
    if place == "linked":
        theirs.mkdir()
        os.chown(theirs, 4321, 4321)
        state.symlink_to(theirs / "state")
    done = other_daemon.run("up", check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2
    assert done.stderr.startswith("✗ Other users can change what is in ")


def test_what_lies_where_it_is_started_from_is_not_run(other_daemon: Daemon, tmp_path: Path) -> None:
    for name in ("localocean.py", "uvicorn.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    command = [sys.executable, "-P", "-m", "localocean", "up"]
    done = subprocess.run(command, env=other_daemon.env, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shared", ["LOCALOCEAN_BRIDGE", "LOCALOCEAN_RANGE"])
def test_a_second_cloud_leaves_the_first_alone(daemon: Daemon, api: Api, other_daemon: Daemon, shared: str) -> None:
    droplet = api.droplet()
    there = len(traces(daemon))
    second = Daemon(other_daemon.env | {shared: daemon.env[shared]})
    refused = second.run("up", check=False)
    assert refused.returncode == 1 and "✗ The local cloud did not start: " in refused.stderr
    assert re.search(rf"\n  Choose another (range with )?{shared}\.\n", refused.stderr)
    second.run("down")
    assert len(traces(daemon)) == there
    assert {d["id"]: d["running"] for d in api.get("/_localocean/status")["droplets"]}[droplet["id"]]


def test_an_interface_of_others_is_no_bridge(other_daemon: Daemon) -> None:
    name = other_daemon.env["LOCALOCEAN_BRIDGE"]
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        refused = other_daemon.run("up", check=False)
        other_daemon.run("down")
        assert refused.returncode == 1 and f"There is an interface {name} already" in refused.stderr
    finally:
        subprocess.run(["ip", "link", "del", name], check=True)


def test_settings_that_contradict_the_cloud_are_refused(daemon: Daemon, api: Api) -> None:
    done = Daemon(daemon.env | {"LOCALOCEAN_BRIDGE": "other"}).run("up", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("✗ LOCALOCEAN_BRIDGE=other contradicts")


def test_crash_restart_down_and_reset(other_daemon: Daemon) -> None:
    started = other_daemon.up()
    api = connect(started)
    with api.session:
        kept, powered_off = api.droplet(name="kept"), api.droplet(name="off")
        api.act(powered_off["id"], "power_off")
        reserved = api.call("POST", "/v2/floating_ips", {"droplet_id": kept["id"]}, status=202)
        api.finish(reserved["links"]["actions"][0])

        os.kill(int(started["pid"]), signal.SIGKILL)
        until(lambda: not Path(f"/proc/{started['pid']}").exists())
        assert other_daemon.run("status", check=False).returncode == 1
        again = other_daemon.up()
        assert again["token"] == started["token"]
        status = api.get("/_localocean/status")
        assert {d["name"]: d["running"] for d in status["droplets"]} == {"kept": True, "off": False}
        assert len(api.get("/v2/actions")["actions"]) == 4, "a running machine is taken over, not booted again"

        other_daemon.run("down")
        assert traces(other_daemon) == []
        assert "not running" in other_daemon.run("down").stdout

        other_daemon.up()
        until(lambda: not api.get(f"/v2/droplets/{kept['id']}")["droplet"]["locked"])
        status = api.get("/_localocean/status")
        assert {d["name"]: d["running"] for d in status["droplets"]} == {"kept": True, "off": False}
        address = reserved["floating_ip"]["ip"]
        assert api.get(f"/v2/floating_ips/{address}")["floating_ip"]["droplet"]["id"] == kept["id"]

        refused = other_daemon.run("reset", check=False)
        assert refused.returncode == 1 and "--yes" in refused.stderr
        other_daemon.run("reset", "--yes")
        assert traces(other_daemon) == []
        assert json.loads((other_daemon.state / "credentials.json").read_text())["token"] == started["token"]
        assert other_daemon.up()["token"] == started["token"]
        assert api.get("/v2/droplets")["droplets"] == []


def test_a_dead_server_is_cleared_away_by_down(other_daemon: Daemon) -> None:
    started = other_daemon.up()
    api = connect(started)
    with api.session:
        api.droplet()
    os.kill(int(started["pid"]), signal.SIGKILL)
    until(lambda: not Path(f"/proc/{started['pid']}").exists())
    assert traces(other_daemon) != []
    other_daemon.run("down")
    assert traces(other_daemon) == []
