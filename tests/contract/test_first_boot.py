"""A droplet that loses its power in the midst of its first boot is what was ordered all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.contract.support import SSH, Api, Daemon, public_address
from tests.support import until

# The first time, nothing comes of making host keys, and what the user wants done never ends.
USER_DATA = """\
#cloud-config
bootcmd:
  - rm -f /usr/local/bin/ssh-keygen
  - |
    test -e /root/cut || install -m 755 /dev/stdin /usr/local/bin/ssh-keygen <<END
    #!/bin/sh
    touch /root/cut
    exec sleep infinity
    END
runcmd:
  - echo once >>/root/runs
  - exec sleep infinity
"""


def test_it_is_begun_anew_until_what_its_user_wants_done_has_begun(
    daemon: Daemon, api: Api, clean: None, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    droplet = api.droplet(name="cut-short", ssh_keys=[api.key(key)["id"]], user_data=USER_DATA)

    def run(command: str) -> str:
        ssh = [*SSH, "-i", str(key), f"root@{public_address(droplet)}", command]
        return subprocess.run(ssh, capture_output=True, text=True, timeout=60).stdout.strip()

    def cut() -> None:
        api.act(droplet["id"], "power_off")
        api.act(droplet["id"], "power_on")

    until((daemon.state / f"disks/{droplet['id']}/root/root/cut").exists)
    cut()
    until(lambda: run("cat /root/runs") == "once")
    keys = run("hostname; cat /etc/ssh/ssh_host_*_key.pub").split()
    assert keys[0] == "cut-short" and len(keys) > 3
    cut()
    until(lambda: run("cloud-init status --wait").endswith("status: done"))
    assert run("cat /root/runs") == "once"
    assert run("hostname; cat /etc/ssh/ssh_host_*_key.pub").split() == keys
