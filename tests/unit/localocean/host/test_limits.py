"""The kernel's limits are lifted where they are too low, and left alone elsewhere."""

from __future__ import annotations

from pathlib import Path

from localocean.host.limits import LEAST, lift


def test_only_what_is_too_low_is_changed(tmp_path: Path) -> None:
    for name in LEAST:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("128\n")
    generous = tmp_path / "fs/inotify/max_user_watches"
    generous.write_text("99999999\n")
    (tmp_path / "kernel/keys/maxbytes").unlink()
    lift(tmp_path)
    assert (tmp_path / "fs/inotify/max_user_instances").read_text() == "8192\n"
    assert (tmp_path / "kernel/keys/maxkeys").read_text() == "20000\n"
    assert generous.read_text() == "99999999\n"
