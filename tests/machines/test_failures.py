"""A machine that cannot be: one clear reason, and nothing left of it in the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localocean.host import run
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from tests.support import needs_loop_devices

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
            cloud.disks.mount(9999, [cloud.base], 10)
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


def test_a_host_that_cannot_limit_disks_goes_on_without(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there are no loop devices; a disk that was made so stays so."""
    with monkeypatch.context() as patched:
        patched.setattr(type(cloud.disks.volumes), "reason", "There are no loop devices.")
        assert cloud.disks.limits()["disk"] is False
        root = cloud.disks.mount(9998, [cloud.base], 10)
        (root / "word").write_text("kept")
        cloud.disks.unmount(9998)
    root = cloud.disks.mount(9998, [cloud.base], 10)
    assert (root / "word").read_text() == "kept"
    assert not cloud.disks.volumes.has(root.parent)
    cloud.disks.delete(9998)
    assert 9998 not in cloud.disks.known()


def test_a_disk_has_its_size_grows_and_takes_what_is_written(cloud: Cloud) -> None:
    needs_loop_devices()
    root = cloud.disks.mount(9998, [cloud.base], 2)
    assert 1.8 < shutil.disk_usage(root).total / (1 << 30) <= 2
    (root / "word").write_text("kept")
    assert cloud.disks.size(9998) < 32 << 20
    cloud.disks.unmount(9998)
    root = cloud.disks.mount(9998, [cloud.base], 4)
    assert 3.8 < shutil.disk_usage(root).total / (1 << 30) <= 4
    assert (root / "word").read_text() == "kept"
    with (root / "big").open("wb") as file, pytest.raises(OSError, match="No space left"):
        os.posix_fallocate(file.fileno(), 0, 5 << 30)
    cloud.disks.delete(9998)
    assert subprocess.run(["losetup", "--list"], capture_output=True, text=True).stdout.count(str(root.parent)) == 0


def test_a_disk_that_waits_for_room_is_let_go_when_its_droplet_ends(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_loop_devices()
    root = cloud.disks.mount(9998, [cloud.base], 2)
    volumes = cloud.disks.volumes
    monkeypatch.setattr("localocean.storage.volumes.KEPT_BYTES", 1 << 60)
    cloud.disks.guard()
    (root / "word").write_bytes(os.urandom(8 << 20))
    subprocess.run(["sync", "--file-system", str(root.parent / "fs")], check=True)
    cloud.disks.guard()
    assert [disk.name for disk in volumes.frozen()] == ["9998"]
    with subprocess.Popen(["touch", str(root / "late")]) as writer:
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1)
        monkeypatch.undo()
        cloud.disks.guard()
        assert (volumes.frozen(), writer.wait(60)) == ([], 0)
    cloud.disks.release(9998)
    cloud.disks.delete(9998)
