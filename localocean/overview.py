"""`status`: the tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localocean.terminal import size, table

DROPLETS = ("DROPLET", "NAME", "STATUS", "ADDRESS", "PRIVATE", "FLOATING IP", "SIZE", "IMAGE", "ON DISK")
DATABASES = ("DATABASE", "NAME", "STATUS", "ADDRESS", "PRIVATE", "PORT", "TRUSTED", "SIZE", "ON DISK")
IMAGES = ("IMAGE", "NAME", "OF DROPLET", "CREATED", "ON DISK")
ADDRESSES = ("FLOATING IP", "DROPLET")
BASES = ("BASE IMAGE", "STATE", "")
ERRORS = ("FAILED", "ACTION", "RESOURCE", "REASON")


def render(status: dict[str, Any], endpoint: str) -> Iterator[str]:
    """The lines that show a status with its sizes on disk."""
    yield f"The local cloud in {status['state']} answers at {endpoint} (process {status['pid']})."
    yield from _limits(status["limits"])
    for headings, rows in (
        (BASES, [(slug, base["state"], base.get("reason", "")) for slug, base in status["bases"].items()]),
        (DROPLETS, [_droplet(each) for each in status["droplets"]]),
        (DATABASES, [_database(each) for each in status["databases"]]),
        (IMAGES, [_image(each) for each in status["images"]]),
        (ADDRESSES, [(address, droplet or "-") for address, droplet in status["floating_ips"].items()]),
        (ERRORS, [(e["at"], e["type"], e["resource_id"], e["reason"]) for e in status["errors"]]),
    ):
        lines = list(table(headings, rows))
        if lines:
            yield ""
            yield from lines


def _limits(limits: dict[str, Any]) -> Iterator[str]:
    """What this machine cannot do, or has no room for."""
    if not limits["disk"]:
        yield f"Disks have no limit here: a droplet can fill this machine's. {limits['reason']}"
    if limits["waiting"]:
        waiting = ", ".join(map(str, limits["waiting"]))
        yield f"This machine's disk is nearly full. Droplets that write wait for room: {waiting}."


def _droplet(each: dict[str, Any]) -> tuple[object, ...]:
    where = (each["address"], each["private_address"], each["floating_ip"] or "-")
    return (each["id"], each["name"], each["status"], *where, each["size"], each["image"], size(each["bytes"]))


def _database(each: dict[str, Any]) -> tuple[object, ...]:
    where = (each["address"], each["private_address"], each["port"], ", ".join(each["trusted"]) or "everybody")
    return (each["id"], each["name"], each["status"], *where, each["size"], size(each["bytes"]))


def _image(each: dict[str, Any]) -> tuple[object, ...]:
    return (each["id"], each["name"], each["of_droplet"] or "-", each["created_at"], size(each["bytes"]))
