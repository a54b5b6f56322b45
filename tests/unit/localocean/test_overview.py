"""What `status` says to people of limits that this machine has not, or has reached."""

from __future__ import annotations

from typing import Any

from localocean.overview import render


def shown(**limits: object) -> str:
    status: dict[str, Any] = {
        **{"state": "/s", "pid": 1, "bases": {}, "floating_ips": {}},
        **dict.fromkeys(("droplets", "databases", "images", "errors"), []),
        "limits": {"disk": True, "reason": "", "waiting": []} | limits,
    }
    return "\n".join(render(status, "http://127.0.0.1:1"))


def test_nothing_is_said_where_all_is_well() -> None:
    assert shown() == "The local cloud in /s answers at http://127.0.0.1:1 (process 1)."


def test_a_machine_that_cannot_limit_disks_says_so_with_the_reason() -> None:
    said = shown(disk=False, reason="losetup failed (1): cannot find an unused loop device")
    assert "Disks have no limit here" in said and "unused loop device" in said


def test_droplets_that_wait_for_room_are_named() -> None:
    assert "Droplets that write wait for room: 7, 9." in shown(waiting=[7, 9])
