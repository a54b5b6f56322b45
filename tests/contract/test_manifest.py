"""The manifest of an image, written on a real droplet, where an app may do anything when it is asked about itself."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator

import pytest

from tests.contract.support import ROOT, Api
from tests.contract.test_metadata import Guest
from tests.contract.test_user_data import send
from tests.support import until

# It takes one command; at any other it serves for ever, and has a child that no friendly word ends.
APP = """\
#!/bin/bash
if [ "$1" = schema ]; then
  for place in /opt/app/mark /etc/mark /var/lib/mark; do touch "$place" 2>/dev/null && wrote=$place; done
  ip -brief link show up | grep -v ^lo && network=yes
  printf '{"migrations":[{"version":1,"name":"%s","sha256":"%s"}]}' "$(id -un)" "$wrote$network"
  exit
fi
trap '' TERM
touch /tmp/mark
(trap '' TERM; while :; do sleep 1; done) &
while :; do sleep 1; done
"""


@pytest.fixture(scope="module")
def guest(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A droplet of the plain base with an app in its place, and what a bake brings."""
    api.call("POST", "/_localocean/reset", status=204)
    guest = Guest(api, tmp_path_factory.mktemp("keys"), "manifest")
    until(lambda: guest.run("cloud-init status --wait").returncode == 0)
    send(guest, ROOT / "provisioning")
    installed = guest.run("useradd --system app && install -D -m 0755 /dev/stdin /opt/app/app", APP)
    assert installed.returncode == 0, installed.stderr
    yield guest
    api.call("POST", "/_localocean/reset", status=204)


def test_an_app_without_an_answer_delays_the_bake_for_a_moment_and_leaves_nothing(guest: Guest) -> None:
    start = time.monotonic()
    written = guest.run("python3 -I /root/provisioning/manifest.py app-v1 /root/manifest.json.gz")
    assert written.returncode == 0, written.stderr
    assert time.monotonic() - start < 60
    told = json.loads(gzip.decompress(bytes.fromhex(guest.run("od -An -v -tx1 /root/manifest.json.gz").stdout)))
    assert told["schema"] == {"migrations": [{"version": 1, "name": "app", "sha256": ""}]}
    assert told["settings"] is None
    assert guest.run("ps -u app").returncode == 1
    assert guest.run("ls /tmp/mark /opt/app/mark /etc/mark /var/lib/mark").stdout == ""
