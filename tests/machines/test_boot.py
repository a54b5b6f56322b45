"""A droplet is a whole Debian machine: it boots, lets its owner in, and ends in every way a machine ends."""

from __future__ import annotations

import time

from localocean.host.machines import Machines, MachineSpec
from localocean.network import Network

from .conftest import Cloud


def test_it_boots_as_ordered(cloud: Cloud, droplet: MachineSpec) -> None:
    command = "cloud-init status --wait >/dev/null; echo $?; hostname; systemctl is-system-running --wait"
    status, said = cloud.sh(droplet.public_address, command)
    assert (status, said.split()) == (0, ["0", droplet.hostname, "running"])


def test_it_has_a_public_and_a_private_address(cloud: Cloud, droplet: MachineSpec) -> None:
    _, said = cloud.sh(droplet.public_address, "ip -4 -brief address show; ip route show default")
    assert f"{droplet.public_address}/{cloud.config.public_network.prefixlen}" in said
    assert f"{droplet.private_address}/{cloud.config.vpc_range.prefixlen}" in said
    assert f"default via {cloud.config.gateway} dev eth0" in said


def test_every_file_of_its_disk_has_an_owner(cloud: Cloud, droplet: MachineSpec) -> None:
    """Also those with several names, as perl has them."""
    assert cloud.sh(droplet.public_address, "test -x /usr/bin/perl && find /etc /usr /var -xdev -user nobody") == (
        0,
        "",
    )


def test_a_restarted_server_finds_it(cloud: Cloud, droplet: MachineSpec) -> None:
    another = Machines(cloud.config)
    assert another.is_running(droplet.droplet_id)
    assert droplet.droplet_id in another.running()
    another.start(droplet)
    Network(cloud.config).up()
    assert cloud.sh(droplet.public_address, "true")[0] == 0


def test_only_keys_let_root_in(cloud: Cloud, droplet: MachineSpec) -> None:
    _, said = cloud.sh(droplet.public_address, "sshd -T | grep -E '^(permitrootlogin|passwordauthentication)'")
    assert said.split() == ["permitrootlogin", "without-password", "passwordauthentication", "no"]


def test_who_got_in_once_gets_in_again(cloud: Cloud, droplet: MachineSpec) -> None:
    command = "cloud-init status --wait >/dev/null; journalctl --unit ssh --output cat | grep -c '^Started ssh'"
    assert cloud.sh(droplet.public_address, command) == (0, "1"), "the SSH server was started anew"


def test_user_data_runs(cloud: Cloud) -> None:
    spec = cloud.boot(user_data="#cloud-config\nruncmd: [[touch, /root/ran]]\n")
    assert cloud.sh(spec.public_address, "cloud-init status --wait >/dev/null && test -e /root/ran")[0] == 0
    cloud.remove(spec)


def test_clean_power_off_and_back_on_keeps_the_disk(cloud: Cloud) -> None:
    spec = cloud.boot()
    cloud.sh(spec.public_address, "cloud-init status --wait >/dev/null; echo kept >/root/file")
    assert cloud.machines.shutdown(spec.droplet_id)
    assert not cloud.machines.is_running(spec.droplet_id)
    assert cloud.machines.shutdown(spec.droplet_id), "off is off"
    cloud.machines.start(spec)
    assert cloud.sh(spec.public_address, "cat /root/file") == (0, "kept")
    cloud.machines.kill(spec.droplet_id)
    cloud.machines.kill(spec.droplet_id)
    assert spec.droplet_id not in cloud.machines.running()
    cloud.remove(spec)


def test_it_can_be_shut_down_while_it_boots(cloud: Cloud) -> None:
    spec = cloud.boot()
    assert cloud.machines.shutdown(spec.droplet_id)
    cloud.remove(spec)


def test_it_reboots_from_inside(cloud: Cloud) -> None:
    spec = cloud.boot()
    started = "systemctl show --property=UserspaceTimestampMonotonic --value"
    _, before = cloud.sh(spec.public_address, f"{started}; systemctl reboot")
    deadline = time.monotonic() + 60
    while cloud.sh(spec.public_address, started)[1] == before:
        assert time.monotonic() < deadline
    assert cloud.machines.is_running(spec.droplet_id)
    cloud.remove(spec)


def test_power_off_from_inside_is_noticed(cloud: Cloud) -> None:
    spec = cloud.boot()
    cloud.sh(spec.public_address, "systemctl poweroff")
    deadline = time.monotonic() + 30
    while cloud.machines.is_running(spec.droplet_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    cloud.remove(spec)
