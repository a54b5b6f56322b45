"""The last step of the bake, and its proof: the image holds nothing of the machine that it was made on.

Afterwards nobody can log in any more, so cleaning and looking happen over the connection that is open.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def cleaned(host: Any, pytestconfig: pytest.Config) -> None:
    script = pytestconfig.getoption("--clean-script")
    result = host.run(f"bash {script}")
    if result.failed:
        pytest.fail(f"{script}: exit code {result.rc}\n{result.stdout}{result.stderr}", pytrace=False)


# What must not be in an image, and where `find` would see it.
FORBIDDEN = {
    "ssh host keys": "/etc/ssh -name 'ssh_host_*'",
    "authorized keys": "/root /home -name 'authorized_keys*'",
    "private keys": "/root /home /opt -name 'id_*' -o -name '*.pem'",
    "cloud-init instance data": "/var/lib/cloud -mindepth 1",
    "network settings of the build droplet": "/etc/netplan /etc/network -name '50-cloud-init*'",
    "shell history": "/root /home -name '.*_history'",
    "package lists": "/var/lib/apt/lists -mindepth 1 -type f",
    "downloaded packages": "/var/cache/apt -name '*.deb' -o -name '*.bin'",
    "journals": "/var/log/journal -type f",
    # Whoever is connected now still leaves a line in wtmp when he goes.
    "logs with a line in them": "/var/log -type f -size +0 -not -name '[bw]tmp' -not -name lastlog",
    "temporary files": "/tmp /var/tmp -mindepth 1 -not -path '*systemd-private*'",
    "configuration of a release": "/opt/app /etc/slipway -name conf.env -o -name release.env",
    "random seeds": "/var/lib/systemd -name random-seed -o -name credential.secret",
}


@pytest.fixture(scope="module")
def left(host: Any, cleaned: None) -> dict[str, list[str]]:
    """The paths that are left, by what they are; all of it found by one command."""
    searches = [f"find {expression} 2>/dev/null; echo :" for expression in FORBIDDEN.values()]
    answers = host.check_output("; ".join(searches)).split(":")
    return {what: answer.split() for what, answer in zip(FORBIDDEN, answers, strict=False)}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_image_holds_no(what: str, left: dict[str, list[str]]) -> None:
    assert left[what] == []


def test_the_image_has_no_machine_id_but_the_place_for_one(host: Any) -> None:
    assert host.check_output("stat -c '%s %F' /etc/machine-id") == "0 regular empty file"


def test_the_image_does_not_remember_the_build_droplets_name(host: Any) -> None:
    assert host.check_output("cat /etc/hostname") == "localhost"


def test_the_app_starts_at_the_next_boot_and_not_before(host: Any) -> None:
    assert host.run("systemctl is-enabled app.service").stdout == "enabled\n"
    assert host.run("systemctl is-active app.service").stdout == "inactive\n"


def test_the_image_still_holds_the_app(host: Any) -> None:
    assert host.check_output("ls /opt/app").split() != ["image.env"]
