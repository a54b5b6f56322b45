"""A first boot that was cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from localocean.host.seed import begin_anew


@pytest.mark.parametrize(
    "instance, notes, anew",
    [
        ("7", ["sem/config_ssh"], True),
        ("7", ["sem/config_ssh", "sem/config_scripts_user"], False),
        ("7", ["sem/config_ssh", "boot-finished"], False),
        ("6", ["sem/config_ssh"], False),
    ],
    ids=["cut short", "the user's scripts have begun", "done", "not begun"],
)
def test_only_a_first_boot_that_was_cut_short_begins_anew(
    tmp_path: Path, instance: str, notes: list[str], anew: bool
) -> None:
    cloud = tmp_path / "var/lib/cloud"
    kept, outside = tmp_path / "kept", cloud / "instances/7/sem/outside"
    kept.mkdir()
    (kept / "file").touch()
    (cloud / "instances/7/sem").mkdir(parents=True)
    outside.symlink_to(kept)
    (cloud / "data").mkdir()
    (cloud / "data/instance-id").write_text(f"{instance}\n")
    for note in notes:
        (cloud / "instances/7" / note).touch()
    begin_anew(tmp_path, "7")
    assert (cloud / "data/instance-id").exists() != anew
    assert outside.is_symlink() != anew
    assert all((cloud / "instances/7" / note).exists() != anew for note in notes)
    assert (kept / "file").exists()
