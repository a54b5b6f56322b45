"""User data as people write it for DigitalOcean: what a shared kernel cannot do fails no script, and is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.support import Api, Daemon, public_address
from tests.support import until

SCRIPT = """\
#!/bin/bash
set -euo pipefail
fallocate -l 64M /swapfile
chmod 600 /swapfile
mkswap /swapfile
swapon /swapfile
echo '/swapfile none swap sw 0 0' >>/etc/fstab
/sbin/sysctl -w vm.swappiness=10
echo 'vm.vfs_cache_pressure=50' >>/etc/sysctl.conf
sysctl -p
sysctl -w net.ipv4.ip_forward=1 net.core.netdev_max_backlog=5000
modprobe br_netfilter
curl --silent --fail http://169.254.169.254/metadata/v1/interfaces/public/0/ipv4/address >/root/address
touch /root/finished
"""
CONFIG = """\
#cloud-config
swap: {filename: /swap.img, size: 67108864}
write_files:
  - path: /etc/sysctl.d/99-app.conf
    content: |
      vm.max_map_count = 262144
      net.ipv4.ip_forward = 1
runcmd:
  - set -e
  - sysctl --system
  - modprobe --all overlay br_netfilter
  - touch /root/finished
"""
TEMPLATE = """\
## template: jinja
#cloud-config
write_files:
  - path: /root/facts
    content: |
      {{ v1.cloud_name }} {{ v1.region }} {{ v1.instance_id }} {{ v1.local_hostname }} {{ ds.meta_data.region }}
      {{ ds.meta_data.interfaces.public[0].ipv4.ip_address }}
      {{ ds.meta_data.interfaces.private[0].ipv4.ip_address }}
"""


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


def run(daemon: Daemon, droplet: int, script: str) -> tuple[int, str]:
    done = daemon.run("shell", str(droplet), "--", "sh", "-c", script, check=False)
    return done.returncode, done.stdout + done.stderr


def booted(api: Api, daemon: Daemon, user_data: str) -> int:
    """A droplet whose first boot has ended."""
    droplet = int(api.droplet(name="real", region="ams3", user_data=user_data)["id"])
    until(lambda: run(daemon, droplet, "cloud-init status")[1].strip() in ("status: done", "status: error"))
    return droplet


@pytest.mark.parametrize(("user_data", "ignored"), [(SCRIPT, 4), (CONFIG, 3)])
def test_swap_settings_and_modules_fail_no_script(api: Api, daemon: Daemon, user_data: str, ignored: int) -> None:
    droplet = booted(api, daemon, user_data)
    log = run(daemon, droplet, "tail -n 20 /var/log/cloud-init-output.log")[1]
    assert run(daemon, droplet, "ls /root/finished")[0] == 0, log
    assert run(daemon, droplet, "cat /proc/sys/net/ipv4/ip_forward")[1] == "1\n", "what is the droplet's own is set"
    said = run(daemon, droplet, "journalctl --identifier=localocean --output=cat --no-pager")[1].splitlines()
    assert len(said) >= ignored and all(line.startswith("localocean ignored: ") for line in said)
    console = daemon.run("console", str(droplet)).stdout
    assert "localocean ignored: modprobe" in console and "localocean ignored: swapon" in console
    assert run(daemon, droplet, "swapon --show")[1] == "", "what was ignored is not pretended"


def test_what_would_fail_at_digitalocean_fails_here(api: Api, daemon: Daemon) -> None:
    droplet = booted(api, daemon, "")
    for script, said in (
        ("swapon /none", "cannot open /none"),
        ("fallocate --length 1M /raw; chmod 600 /raw; swapon /raw", "read swap header failed"),
        ("sysctl -w vm.nonsense=1", "cannot stat /proc/sys/vm/nonsense"),
        ("sysctl -p /none", "cannot open"),
    ):
        code, output = run(daemon, droplet, script)
        assert code != 0 and said in output, script
    assert run(daemon, droplet, "sysctl vm.swappiness")[1].startswith("vm.swappiness = ")


def test_a_template_knows_where_its_droplet_is(api: Api, daemon: Daemon) -> None:
    droplet = booted(api, daemon, TEMPLATE)
    shown = api.get(f"/v2/droplets/{droplet}")["droplet"]
    private = next(net["ip_address"] for net in shown["networks"]["v4"] if net["type"] == "private")
    words = run(daemon, droplet, "cat /root/facts")[1].split()
    assert words == ["digitalocean", "ams3", str(droplet), "real", "ams3", public_address(shown), private]
