"""The build droplet before the snapshot: an image that fails here never exists."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.contract import RELEASE_HEADER
from tests.droplet.target import Expected


def show(host: Any, unit: str, *names: str) -> dict[str, str]:
    options = " ".join(f"--property={name}" for name in names)
    lines = host.check_output(f"systemctl show {unit} {options}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def needs_a_start(expected: Expected) -> None:
    """Skip what can only be seen of an app that runs."""
    if not expected.app.starts_bare:
        pytest.skip("the app starts with a release's settings only")


def test_the_app_is_installed_and_nobody_but_root_can_change_it(host: Any) -> None:
    files = host.check_output("stat -c '%n %a %U:%G' /opt/app /opt/app/image.env /etc/systemd/system/app.service")
    assert files.splitlines() == [
        "/opt/app 750 root:app",
        "/opt/app/image.env 644 root:root",
        "/etc/systemd/system/app.service 644 root:root",
    ]
    assert host.check_output("find /opt/app ! -type l '(' ! -user root -o -perm /022 ')'") == ""


def test_the_image_knows_its_name(host: Any, expected: Expected) -> None:
    assert f'APP_IMAGE="{expected.image}"' in host.check_output("cat /opt/app/image.env").splitlines()


def test_the_app_has_a_user_that_cannot_log_in(host: Any) -> None:
    entry, groups = host.check_output("getent passwd app; id --name --groups app").splitlines()
    *_, uid, _, _, _, shell = entry.split(":")
    assert (shell, groups) == ("/usr/sbin/nologin", "app")
    assert int(uid) < 1000


def test_no_account_has_a_password(host: Any) -> None:
    entries = [line.split(":") for line in host.check_output("cat /etc/shadow").splitlines()]
    assert [entry[0] for entry in entries if entry[1][:1] not in ("*", "!")] == []


def test_the_app_starts_at_boot_after_network_and_cloud_init(host: Any) -> None:
    unit = show(host, "app.service", "UnitFileState", "After")
    assert unit["UnitFileState"] == "enabled"
    wanted = {"network-online.target", "cloud-init.service", "cloud-config.service"}
    assert wanted <= set(unit["After"].split())


def test_the_units_have_no_ordering_cycle(host: Any) -> None:
    verdict = host.run("systemd-analyze verify default.target app.service")
    assert "cycle" not in verdict.stderr
    assert "app.service" not in verdict.stderr


def test_the_app_runs_in_its_sandbox(host: Any, expected: Expected) -> None:
    needs_a_start(expected)
    unit = show(host, "app.service", "ActiveState", "NRestarts", "User", "MainPID")
    assert (unit["ActiveState"], unit["NRestarts"], unit["User"]) == ("active", "0", "app")
    url = f"http://127.0.0.1:{expected.contract.port}{expected.contract.probe}"
    assert host.run(f"curl -sS --max-time 5 --output /dev/null {url}").succeeded
    status = host.check_output(f"cat /proc/{unit['MainPID']}/status")
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000400"):
        assert line in status


def test_the_app_cannot_write_where_it_runs(host: Any, expected: Expected) -> None:
    needs_a_start(expected)
    process = show(host, "app.service", "MainPID")["MainPID"]
    mounts = host.check_output(f"cat /proc/{process}/mounts").splitlines()
    root = [fields for fields in map(str.split, mounts) if fields[1] == "/"][-1]
    assert "ro" in root[3].split(",")


def test_the_sandbox_leaves_little_exposed(host: Any, expected: Expected) -> None:
    # The threshold is in tenths; the command fails above it. What a project gives up it has given a reason for.
    threshold = 20 if not expected.app.loosen else 60
    assert host.run(f"systemd-analyze security --threshold={threshold} app.service").succeeded


def test_the_app_can_write_where_it_may(host: Any, expected: Expected) -> None:
    for folder in expected.app.writable:
        assert host.check_output(f"stat -c '%U:%G' {folder}") == "app:app"


def test_the_front_hands_on_what_the_app_answers(host: Any, expected: Expected) -> None:
    if not expected.contract.front:
        assert not host.file("/etc/systemd/system/front.service").exists
        return
    unit = show(host, "front.service", "ActiveState", "NRestarts", "User", "UnitFileState")
    assert unit == {"ActiveState": "active", "NRestarts": "0", "User": "haproxy", "UnitFileState": "enabled"}
    assert host.run("systemctl is-enabled haproxy.service").stdout.strip() == "masked"
    assert host.run("systemd-analyze security --threshold=20 front.service").succeeded
    needs_a_start(expected)
    url = f"http://127.0.0.1:{expected.contract.public_port}{expected.contract.probe}"
    assert f"{RELEASE_HEADER}: unknown" in host.check_output(f"curl -sS --max-time 5 --include {url}")


def test_the_front_can_be_drained(host: Any, expected: Expected) -> None:
    if not (expected.contract.front and expected.contract.health):
        return
    needs_a_start(expected)
    url = f"http://127.0.0.1:{expected.contract.public_port}"
    ask = f"curl -sS --max-time 5 --write-out ' %{{http_code}}' {url}"
    drained = '{"status":"draining"} 503'
    host.check_output("front-drain on")
    assert host.check_output(f"{ask}{expected.contract.health}") == drained
    assert host.check_output(f"{ask}/") != drained
    host.check_output("front-drain off")
    assert host.check_output(f"{ask}{expected.contract.health}") != drained


def test_there_is_no_configuration_before_the_boot_of_a_release(host: Any) -> None:
    assert not host.file("/opt/app/conf.env").exists


@pytest.mark.parametrize(
    "setting",
    [
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitemptypasswords no",
        "permitrootlogin without-password",
        "authenticationmethods publickey",
        "allowtcpforwarding local",
        "permitopen *:25060",
        "allowstreamlocalforwarding no",
        "x11forwarding no",
    ],
)
def test_ssh_is_by_key_only(host: Any, sshd: list[str], setting: str) -> None:
    assert setting in sshd


@pytest.fixture(scope="module")
def sshd(host: Any) -> list[str]:
    return str(host.check_output("sshd -T")).splitlines()


def test_user_data_is_taken_from_the_disk(host: Any) -> None:
    # The build droplet's brought its host key.
    places = "/var/lib/cloud /run/cloud-init /var/log"
    assert host.run(f"grep --recursive --text --files-with-matches 'OPENSSH PRIVATE KEY' {places}").stdout == ""
    unit = show(host, "forget-user-data.service", "UnitFileState", "ActiveState", "WantedBy")
    assert unit == {"UnitFileState": "enabled", "ActiveState": "active", "WantedBy": "cloud-init.target"}


def test_the_app_cannot_ask_the_metadata_service(host: Any) -> None:
    asked = "curl --silent --output /dev/null --max-time 5 http://169.254.169.254/metadata/v1/id"
    assert host.run(asked).rc == 0
    assert host.run(f"setpriv --reuid=app --regid=app --clear-groups {asked}").rc == 7
    unit = show(host, "close-metadata.service", "UnitFileState", "ActiveState")
    assert unit == {"UnitFileState": "enabled", "ActiveState": "active"}


def test_nothing_updates_itself_later(host: Any) -> None:
    units = "apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service"
    assert host.run(f"systemctl is-enabled {units}").stdout.split() == ["masked"] * 3


def test_the_journal_is_kept_and_bounded(host: Any) -> None:
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert {"Storage=persistent", "SystemMaxUse=200M"} <= set(settings.splitlines())


def test_no_unit_has_failed(host: Any) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
