"""Droplets that nest control groups and folders until no recursion and no path gets to their end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from localocean.host import cgroups
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from tests.support import nest

from .conftest import Cloud

DEPTH = 5_000
GROUPS = 2_500
"""Beyond what a path and a recursion reach with the shortest name; making and removing them costs its square."""
LONG = "x" * 255
NEST = """
import errno, os
os.chdir("{where}")
made = 0
try:
    for made in range({depth}):
        os.mkdir("{name}")
        os.chdir("{name}")
except OSError as error:
    print(made, errno.errorcode[error.errno])
else:
    print("all")
"""


def inside(cloud: Cloud, droplet: MachineSpec, program: str) -> str:
    status, said = cloud.sh(droplet.public_address, f"python3 - <<'END'\n{program}\nEND")
    assert status == 0, said
    return said


@pytest.mark.parametrize("name", ["g", LONG], ids=["deep", "long"])
def test_groups_beyond_every_path_are_found_emptied_and_removed(cloud: Cloud, name: str) -> None:
    """As a droplet of an earlier version could make them, and one can whose kernel has no limit to give."""
    number = next(cloud.numbers)
    unit = f"{cloud.config.unit_prefix}{number}"
    groups = [group for group in cgroups.groups(unit) if group.parent.name in ("unified", "systemd", "system.slice")]
    for group in groups:
        group.mkdir()
        nest(group, GROUPS, name)
    lost = subprocess.Popen(["sleep", "600"])
    try:
        join_deepest(groups[0], name, lost.pid)
        assert cgroups.processes(unit) == {lost.pid}
        assert number in cloud.machines.known()
        cloud.machines.kill(number)
        assert lost.wait(60) == -9
        assert not any(group.exists() for group in groups)
        assert number not in cloud.machines.known()
    finally:
        lost.kill()


def join_deepest(group: Path, name: str, pid: int) -> None:
    folder = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(GROUPS):
        child = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = child
    with open(os.open("cgroup.procs", os.O_WRONLY, dir_fd=folder), "w") as procs:
        procs.write(str(pid))
    os.close(folder)


def test_a_droplet_nests_as_many_groups_as_it_may_and_ends_like_any_other(cloud: Cloud) -> None:
    droplet, other = cloud.boot(), cloud.boot()
    try:
        said = inside(cloud, droplet, NEST.format(where="/sys/fs/cgroup", depth=1500, name="g"))
        made, why = said.split()
        assert 10 < int(made) <= cgroups.DEPTH and why == "EAGAIN"
        assert {droplet.droplet_id, other.droplet_id} <= cloud.machines.running()
        assert cloud.machines.shutdown(droplet.droplet_id)
        assert cloud.machines.running() >= {other.droplet_id}
        assert droplet.droplet_id not in cloud.machines.known()
    finally:
        cloud.remove(droplet)
        cloud.remove(other)


@pytest.mark.parametrize("controller", ["memory", "pids", "cpu", "none,name=systemd"])
def test_it_makes_no_groups_in_the_older_layout_where_nothing_limits_them(
    cloud: Cloud, droplet: MachineSpec, controller: str
) -> None:
    mount = f"mkdir -p /old && mount -t cgroup -o {controller} cgroup /old && mkdir /old/nested"
    status, _ = cloud.sh(droplet.public_address, mount)
    cloud.sh(droplet.public_address, "umount /old")
    assert status != 0


def test_a_disk_beyond_every_path_ends_like_any_other(cloud: Cloud) -> None:
    droplet = cloud.boot()
    try:
        assert inside(cloud, droplet, NEST.format(where="/root", depth=DEPTH, name=LONG)) == "all"
        assert cloud.disks.size(droplet.droplet_id) > DEPTH * 1000
        with pytest.raises(HostError, match="cannot be copied: a path on its disk is longer than"):
            cloud.disks.snapshot(droplet.droplet_id, "deep")
        assert "deep" not in cloud.disks.layer_names()
        assert cloud.machines.shutdown(droplet.droplet_id)
    finally:
        cloud.remove(droplet)
    assert droplet.droplet_id not in cloud.disks.known()
