"""A cloud that was ended from outside, its server dead, leaves nothing in the kernel; its disks stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localocean.cleanup import teardown
from localocean.host import cgroups
from localocean.host.run import run

from .conftest import Cloud


@pytest.fixture
def network_again(cloud: Cloud) -> Iterator[None]:
    """The network is there again for whatever comes next."""
    yield
    cloud.network.up()


def traces(cloud: Cloud) -> str:
    """Everything of the cloud that this host's kernel has."""
    config = cloud.config
    commands = ["ip -brief link", "ip route show table all", "ip rule", "nft list tables"]
    kernel = "\n".join([Path("/proc/self/mounts").read_text(), *(run(command.split()) for command in commands)])
    bridge = f"{re.escape(config.bridge)}(?![0-9])"  # and not that of a cloud whose number begins with this one's
    marks = (config.public_prefix, str(config.range), str(config.vpc_range), str(config.state))
    wanted = "|".join([bridge, *map(re.escape, marks)])
    lines = [line for line in kernel.splitlines() if re.search(wanted, line)]
    processes = [path.name for path in Path("/proc").glob("[0-9]*") if str(config.state) in command_line(path)]
    return "\n".join([*lines, *processes, *cgroups.names(config.unit_prefix)])


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_nothing_is_left(cloud: Cloud, network_again: None) -> None:
    specs = [cloud.boot(), cloud.boot()]
    cloud.network.set_floating({next(cloud.config.floating_addresses()): specs[0].public_address})
    assert cloud.config.bridge in traces(cloud)
    teardown(cloud.config)
    assert traces(cloud) == ""
    for spec in specs:
        for interface in cloud.config.interfaces(spec.droplet_id):
            assert not Path(f"/sys/class/net/{interface}").exists()
        assert cloud.disks.size(spec.droplet_id) > 0
        cloud.remove(spec)
    teardown(cloud.config)
