"""What a machine shows of its memory and processors."""

from __future__ import annotations

from pathlib import Path

from localocean.host import proc
from localocean.storage.bases import kernel_settings

CPUINFO = "".join(
    f"processor\t: {number}\nmodel name\t: Fast\nsiblings\t: 4\ncpu cores\t: 4\n\n" for number in range(4)
)


def fields(text: str) -> dict[str, int]:
    return {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}


def test_memory_is_the_sizes_and_what_is_used_the_groups() -> None:
    used = {"usage": 300 << 20, "file": 100 << 20, "shmem": 10 << 20}
    shown = fields(proc.meminfo(1024, used))
    assert shown["MemTotal"] == 1024 << 10
    assert shown["MemFree"] == (1024 - 300) << 10
    assert shown["MemAvailable"] == (1024 - 300 + 90) << 10
    assert shown["SwapTotal"] == 0


def test_no_figure_is_below_zero_or_above_the_memory() -> None:
    for used in ({}, {"usage": 9 << 40, "file": 9 << 40}, {"usage": 1 << 20, "file": 0, "shmem": 5 << 20}):
        shown = fields(proc.meminfo(512, used))
        assert all(0 <= value <= 512 << 10 for value in shown.values())


def test_the_text_is_always_as_long_since_it_is_written_in_place() -> None:
    assert len(proc.meminfo(512, {})) == len(proc.meminfo(512, {"usage": 511 << 20, "anon": 400 << 20}))


def test_a_machine_uses_as_many_processors_as_its_size_has_and_the_next_one_others() -> None:
    assert proc.processors(7, 1, [0, 1, 2, 3]) == [3]
    assert proc.processors(8, 1, [0, 1, 2, 3]) == [0]
    assert proc.processors(1, 2, [0, 1, 2, 3]) == [2, 3]
    assert proc.processors(5, 8, [2, 3]) == [2, 3], "no more than there are"


def test_processors_are_numbered_anew() -> None:
    shown = proc.cpuinfo(CPUINFO, [2, 3])
    assert [line for line in shown.splitlines() if line.startswith("processor")] == ["processor\t: 0", "processor\t: 1"]
    assert shown.count("cpu cores\t: 2") == 2
    assert proc.cpuinfo("Features : half thumb\n", [0]) == "Features : half thumb\n"


def test_files_are_written_for_whoever_is_in_the_machine_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "1.proc"
    proc.write(folder, 2048, proc.own_processors()[:1])
    assert proc.total_mb(folder) == 2048
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("meminfo", "cpuinfo", "swaps"), 0o644
    )
    assert (proc.total_mb(tmp_path), (folder / "swaps").read_text().count("\n")) == (0, 1)


def test_groups_of_both_layouts_are_understood() -> None:
    newer = {"file": 8, "shmem": 1, "anon": 4, "slab": 2, "active_file": 3, "active_anon": 1}
    older = {"total_cache": 8, "total_shmem": 1, "total_rss": 4, "total_active_file": 3, "total_active_anon": 1}
    assert proc._newer(newer) | {"slab": 0} == proc._older(older) | {"slab": 0}


def test_the_settings_of_this_kernel_have_their_names() -> None:
    assert {"vm/swappiness", "net/ipv4/ip_forward"} <= set(kernel_settings())


def test_a_host_that_is_a_container_sees_fewer_settings_than_a_droplet_may_set(tmp_path: Path) -> None:
    assert {"net/core/netdev_max_backlog", "net/core/rmem_max"} <= set(kernel_settings(tmp_path))
