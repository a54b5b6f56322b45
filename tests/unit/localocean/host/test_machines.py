"""How a machine is started."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from localocean.host.machines import MachineSpec, unit_command
from tests.unit.localocean.settings import config


def test_a_unit_has_the_limits_of_its_size(tmp_path: Path) -> None:
    ours = config(tmp_path)
    spec = MachineSpec(7, "web", tmp_path, 1024, 2, IPv4Address("198.18.0.2"), IPv4Address("10.124.0.2"))
    command = unit_command(ours, "localocean-lcloud0-7", spec, tmp_path / "console")
    assert {"--property=MemoryMax=1024M", "--property=CPUQuota=200%", "--property=Delegate=yes"} <= set(command)
    assert "--private-users=524288:65536" in command[command.index("systemd-nspawn") :]
