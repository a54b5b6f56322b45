"""User data brings credentials: after the boot they are nowhere but where they were put, and a droplet boots again.

What is installed is what the image has, on a droplet of the plain base.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.support import ROOT, Api
from tests.contract.test_metadata import URL, Guest
from tests.support import until

SECRET = "planted-in-user-data-7f3a"
USER_DATA = f"""\
#cloud-config
write_files:
  - path: /root/conf.env
    permissions: "0600"
    content: {SECRET}
runcmd:
  - echo once >>/root/runs
  - [sh, -c, "echo {SECRET} >/dev/null"]
"""
GREP = f"grep --recursive --text --files-with-matches --exclude-dir=proc --exclude-dir=sys {SECRET} /"


@pytest.fixture(scope="module")
def guest(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    api.call("POST", "/_localocean/reset", status=204)
    guest = Guest(api, tmp_path_factory.mktemp("keys"), "closed", USER_DATA)
    until(lambda: guest.run("cloud-init status --wait").returncode == 0)
    assert len(found(guest)) > 5
    send(guest, ROOT / "provisioning")
    installed = guest.run("bash /root/provisioning/close-user-data.sh")
    assert installed.returncode == 0, installed.stderr
    yield guest
    api.call("POST", "/_localocean/reset", status=204)


def send(guest: Guest, folder: Path) -> None:
    """Copy the files of a folder into one of the same name in root's home."""
    guest.run(f"mkdir --parents /root/{folder.name}")
    for file in filter(Path.is_file, folder.iterdir()):
        assert guest.run(f"cat >/root/{folder.name}/{file.name}", file.read_text()).returncode == 0


def found(guest: Guest) -> list[str]:
    """The files in which the secret is."""
    return guest.run(GREP).stdout.split()


def test_nothing_of_it_is_left_after_the_boot(guest: Guest) -> None:
    assert found(guest) == ["/root/conf.env"]
    assert guest.run("cat /root/conf.env").stdout.strip() == SECRET


def test_only_root_can_ask_the_metadata_service(guest: Guest) -> None:
    nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    assert guest.get("/metadata/v1/id")[0] == str(guest.id)
    refused = guest.run(f"{nobody} curl --silent --max-time 5 {URL}/metadata/v1/user-data")
    assert (refused.stdout, refused.returncode) == ("", 7)
    outside = guest.run(f"{nobody} curl --silent --max-time 5 http://{guest.address}:22")
    assert outside.returncode != refused.returncode


def test_a_reboot_brings_nothing_back_and_does_nothing_twice(api: Api, guest: Guest) -> None:
    first = guest.run("cat /proc/sys/kernel/random/boot_id; stat -c %i /proc/1/ns/pid").stdout
    keys = guest.run("cat /etc/ssh/ssh_host_*_key.pub").stdout
    api.act(guest.id, "reboot")
    until(lambda: guest.run("stat -c %i /proc/1/ns/pid").stdout.strip() not in ("", first.split()[-1]))
    until(lambda: guest.run("systemctl is-system-running").stdout.strip() in ("running", "degraded"))
    assert guest.run("cloud-init status").stdout.strip() == "status: done"
    assert guest.run("systemctl list-units --failed --plain --no-legend").stdout == ""
    assert guest.run("cat /root/runs").stdout.split() == ["once"]
    assert guest.run("cat /etc/ssh/ssh_host_*_key.pub").stdout == keys
    assert guest.run("cat /root/conf.env").stdout.strip() == SECRET
    test_nothing_of_it_is_left_after_the_boot(guest)
    test_only_root_can_ask_the_metadata_service(guest)
