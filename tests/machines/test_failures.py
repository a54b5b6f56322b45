"""A machine that cannot be: one clear reason, and nothing left of it in the kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from localcloud.host import run
from localcloud.host.errors import HostError
from localcloud.host.machines import MachineSpec

from .conftest import Cloud
from .test_teardown import command_line

# Where the tools are on any Debian, and the one that is to be missing.
FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


def left_of(cloud: Cloud, spec: MachineSpec) -> list[str]:
    """What the kernel has of the machine."""
    links = [name for name in cloud.config.interfaces(spec.droplet_id) if Path(f"/sys/class/net/{name}").exists()]
    groups = [str(number) for number in cloud.machines.known() if number == spec.droplet_id]
    keepers = [path.name for path in Path("/proc").glob("[0-9]*") if f"--directory={spec.root} " in command_line(path)]
    return [*links, *groups, *keepers]


def test_a_disk_that_does_not_boot(cloud: Cloud) -> None:
    spec = cloud.spec([cloud.base])
    for program in ("usr/sbin/init", "usr/lib/systemd/systemd", "usr/bin/sh", "usr/bin/bash"):
        (spec.root / program).unlink()
    with pytest.raises(HostError, match=f"Droplet {spec.droplet_id} does not start: ") as caught:
        cloud.machines.start(spec)
    assert str(cloud.machines.console(spec.droplet_id)) in caught.value.hint
    assert left_of(cloud, spec) == []
    cloud.remove(spec)


@pytest.mark.parametrize("missing", ["systemd-nspawn", "mount"])
def test_a_missing_tool(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for folder in FOLDERS:
        for tool in Path(folder).iterdir():
            if tool.name != missing and not (tmp_path / tool.name).is_symlink():
                (tmp_path / tool.name).symlink_to(tool)
    assert shutil.which(missing)
    if missing == "mount":
        monkeypatch.setitem(run.ENVIRONMENT, "PATH", str(tmp_path))
        with pytest.raises(HostError, match="The command mount is missing") as caught:
            cloud.disks.mount(9999, [cloud.base])
        assert caught.value.hint
        cloud.disks.delete(9999)
        assert 9999 not in cloud.disks.known()
        return
    spec = cloud.spec([cloud.base])
    monkeypatch.setitem(run.ENVIRONMENT, "PATH", str(tmp_path))
    with pytest.raises(HostError, match=f"does not start: .*{missing}.*(not found|missing|No such file)"):
        cloud.machines.start(spec)
    monkeypatch.undo()
    assert left_of(cloud, spec) == []
    cloud.remove(spec)
