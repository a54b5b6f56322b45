"""A running release, seen from inside: it booted whole, is what was released, and is as closed as promised."""

from __future__ import annotations

import base64
import json
import re
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from slipway.contract import RELEASE_HEADER
from tests.droplet.target import Expected, Target


def properties(text: str) -> dict[str, str]:
    """`systemctl show` and `sshd -T` as a dictionary."""
    return dict(re.split("[= ]", line, maxsplit=1) for line in text.splitlines() if re.search("[= ]", line))


class Settings(dict[str, str]):
    """Variables of which a failure shows the names alone: the values may be secrets, and reports are kept."""

    def __repr__(self) -> str:
        return f"<{', '.join(sorted(self))}>"


def environment(text: str) -> Settings:
    """conf.env as the app gets it: KEY="VALUE", with backslash and double quote escaped by a backslash."""
    found = re.findall(r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL)
    return Settings({key: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for key, value in found})


def contents(host: Any, path: str) -> str:
    """The text of a file, of which no locale and no terminal changes a byte."""
    return base64.b64decode(host.check_output("base64 --wrap=0 %s", path)).decode()


def differing(want: dict[str, str], got: dict[str, str]) -> list[str]:
    """The keys that differ; never the values, which may be secrets."""
    return sorted(key for key in want.keys() | got.keys() if want.get(key) != got.get(key))


READY = "curl --fail --silent --output /dev/null --max-time 2 http://127.0.0.1:{port}{path}"
FAILED = 'systemctl is-failed --quiet app.service || [ "$(systemctl show -P NRestarts app.service)" != 0 ]'


@pytest.fixture(scope="module", autouse=True)
def settled(host: Any, target: Target, expected: Expected) -> None:
    """A boot takes seconds, and so may what the app depends on; an app that has failed once is not waited for."""
    seconds = f"{target.wait:.0f}"
    # It says so itself when it is done; asking its command takes as long as all the rest.
    host.run("test -e /run/cloud-init/result.json || timeout %s cloud-init status --wait", seconds)
    contract = expected.contract
    over = f"{READY.format(port=contract.public_port, path=contract.health or '/')} || {FAILED}"
    host.run("timeout %s bash -c %s", seconds, f"until {over}; do sleep 0.2; done")


@pytest.fixture(scope="module")
def unit(host: Any) -> dict[str, str]:
    return properties(host.check_output("systemctl show app.service"))


@pytest.fixture(scope="module")
def conf_env(host: Any) -> Settings:
    return environment(contents(host, "/opt/app/conf.env"))


def test_cloud_init_finished_without_an_error(host: Any) -> None:
    result = host.run("cat /run/cloud-init/result.json")
    assert result.succeeded, "cloud-init did not finish"
    assert json.loads(result.stdout)["v1"]["errors"] == []


def test_the_app_is_active_and_has_never_restarted(unit: dict[str, str]) -> None:
    wanted = {"ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": "0"}
    assert {name: unit[name] for name in wanted} == wanted


def test_the_app_is_ready(host: Any, expected: Expected) -> None:
    for port in {expected.contract.port, expected.contract.public_port}:
        url = f"http://127.0.0.1:{port}{expected.contract.health or '/'}"
        status = int(host.check_output(f"curl -sS --max-time 5 --output /dev/null -w '%{{http_code}}' {url}"))
        assert status == 200 if expected.contract.health else status < 500


def test_the_front_names_the_release_and_the_droplet(host: Any, expected: Expected) -> None:
    if expected.contract.front:
        said = host.check_output(f"curl -sS --max-time 5 --head http://127.0.0.1{expected.contract.probe}")
        headers = properties(said.replace(": ", "="))
        assert headers[RELEASE_HEADER] == expected.release
        assert headers["slipway-member"] == host.check_output("hostname")
        front = properties(host.check_output("systemctl show front.service"))
        assert (front["ActiveState"], front["NRestarts"]) == ("active", "0")


def test_the_apps_own_port_is_closed_to_others(target: Target, expected: Expected) -> None:
    if expected.contract.front:
        with pytest.raises(OSError), socket.create_connection((target.address, expected.contract.port), timeout=5):
            pass


def test_the_configuration_is_the_released_one(conf_env: Settings, expected: Expected) -> None:
    given = {*expected.secrets, *expected.templates, *expected.database_urls}
    assert [name for name in given if not conf_env.get(name)] == []
    public = {name: value for name, value in conf_env.items() if name not in given}
    keys = differing(expected.config | {"APP_RELEASE": expected.release}, public)
    assert keys == []


def test_the_app_runs_with_the_released_configuration(host: Any, unit: dict[str, str], conf_env: Settings) -> None:
    process = contents(host, f"/proc/{unit['MainPID']}/environ")
    running = dict(entry.split("=", 1) for entry in process.split("\0") if "=" in entry)
    keys = differing(conf_env, {key: running[key] for key in conf_env if key in running})
    assert keys == []


def test_the_app_alone_can_read_its_configuration(host: Any) -> None:
    assert host.check_output("stat -c '%a %U:%G %F' /opt/app/conf.env") == "600 app:app regular file"


def test_the_app_alone_has_what_user_data_brought(host: Any, target: Target) -> None:
    # The unit runs after all that the boot brings; the app does not wait for it.
    host.run("timeout %s systemctl is-system-running --wait", f"{target.wait:.0f}")
    assert host.check_output("systemctl is-active forget-user-data.service close-metadata.service") == "active\nactive"
    marks = "'APP_RELEASE=|OPENSSH PRIVATE KEY'"
    places = "/var/lib/cloud /run/cloud-init /var/log"
    assert host.run(f"grep --recursive --text --files-with-matches --extended-regexp {marks} {places}").stdout == ""
    asked = "curl --silent --output /dev/null --max-time 5 http://169.254.169.254/"
    assert host.run(f"setpriv --reuid=app --regid=app --clear-groups {asked}").rc == 7


def test_the_database_is_asked_as_the_releases_own_user(conf_env: Settings, expected: Expected) -> None:
    for name in expected.database_urls:
        url = urlsplit(conf_env[name])
        assert (url.username, url.scheme) == (expected.database_user, "postgres")
    assert expected.database_user or "APP_DATABASE_URL" not in conf_env


def test_the_database_has_to_prove_who_it_is(host: Any, conf_env: Settings, expected: Expected) -> None:
    if not expected.database_user:
        assert not host.file("/opt/app/database-ca.pem").exists
        return
    for name in expected.database_urls:
        demands = parse_qs(urlsplit(conf_env[name]).query)
        assert demands == {"sslmode": ["verify-full"], "sslrootcert": ["/opt/app/database-ca.pem"]}
    assert host.check_output("stat -c '%a %U:%G %F' /opt/app/database-ca.pem") == "644 root:root regular file"


def test_the_app_runs_as_its_own_user_without_a_way_up(host: Any, unit: dict[str, str]) -> None:
    status = host.check_output(f"cat /proc/{unit['MainPID']}/status")
    uid = host.check_output("id -u app")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert found["Uid"].split() == [uid] * 4
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    # Bit 10: CAP_NET_BIND_SERVICE.
    assert [int(found[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [1 << 10] * 3


def test_it_listens_only_on_ssh_and_its_ports(host: Any, expected: Expected) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    sockets = {(fields[0], *fields[4].rsplit(":", 1)) for fields in map(str.split, lines)}
    outside = {(kind, int(port)) for kind, at, port in sockets if not re.match(r"127\.|\[::1\]", at)}
    dhcp_client = {("udp", 68), ("udp", 546)}
    wanted = {22, expected.contract.public_port}
    # An app that listens on all addresses is closed by the front.
    maybe = {("tcp", expected.contract.port)} | dhcp_client
    assert outside - maybe == {("tcp", port) for port in wanted} - maybe


def test_no_unit_has_failed(host: Any) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_the_app_has_logged_no_error(host: Any) -> None:
    log = host.check_output("journalctl --boot --unit app.service --output cat --no-pager")
    assert [line for line in log.splitlines() if '"level":"ERROR"' in line] == []


def test_ssh_takes_keys_only(host: Any) -> None:
    sshd = properties(host.check_output("sshd -T"))
    assert (sshd["passwordauthentication"], sshd["kbdinteractiveauthentication"]) == ("no", "no")
    assert (sshd["permitrootlogin"], sshd["authenticationmethods"]) == ("without-password", "publickey")


def test_the_only_host_key_is_the_one_it_was_given(host: Any, target: Target) -> None:
    keys = host.check_output("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    assert [key.split()[:2] for key in keys] == [target.host_key.split()[:2]]
