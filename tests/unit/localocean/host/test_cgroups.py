"""Where a machine's limits go."""

from __future__ import annotations

from pathlib import Path

from localocean.host import cgroups

HYBRID = """\
30 24 0:26 / /sys/fs/cgroup rw shared:4 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
"""


def test_limits_go_where_the_layout_has_them(tmp_path: Path) -> None:
    found = cgroups.hierarchies(HYBRID)
    assert [each.root.name for each in found] == ["unified", "systemd", "cpu,cpuacct"]
    quota = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"}
    assert cgroups.limits(found[2], 512, 2, 100) == {**quota, "cpu.shares": "2048"}
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    unified = cgroups.Hierarchy(tmp_path, frozenset())
    counted = {"pids.max": "9", "cgroup.max.descendants": "9", "cgroup.max.depth": "64"}
    assert cgroups.limits(unified, 1, 1, 9) == {"memory.max": "1048576", "memory.swap.max": "0", **counted}
