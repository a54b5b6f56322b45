"""How the machines of databases are numbered, where droplets are known by their ids."""

from __future__ import annotations

FIRST = 1 << 31
"""No droplet's id is so high: they count from the seconds since 2020."""


def number(node_id: int) -> int:
    """The machine's number wherever a droplet's id would do: disks, interfaces, control groups, consoles."""
    return FIRST + node_id
