"""What a machine prints is kept, the end of it at least."""

from __future__ import annotations

from pathlib import Path

from localocean.config import Config
from localocean.host.machines import CONSOLE_BYTES, CONSOLE_KEPT, Machines


def test_a_console_that_grows_keeps_its_end(tmp_path: Path) -> None:
    machines = Machines(Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)}))
    machines.trim_console(1)
    console = machines.console(1)
    console.parent.mkdir()
    console.write_bytes(b"a" * CONSOLE_BYTES)
    machines.trim_console(1)
    assert console.stat().st_size == CONSOLE_BYTES
    with console.open("ab") as droplet:
        droplet.write(b"the end")
        droplet.flush()
        machines.trim_console(1)
        droplet.write(b", and more")
    assert console.stat().st_size == CONSOLE_KEPT + len(", and more")
    assert console.read_bytes().endswith(b"athe end, and more")
