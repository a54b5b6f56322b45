"""What is in this image, written into it as the last act of the bake: files, packages, units, the app's schema.

Two of these are what `./invoke diff` compares. Usage: manifest.py IMAGE FILE
"""

from __future__ import annotations

import grp
import gzip
import hashlib
import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

FORMAT = 1
APP = "/opt/app/app"
APP_S = 10
"""Seconds that the app has for one answer about itself."""

# What differs from boot to boot, or is nobody's work: it says nothing of an image.
SKIPPED = frozenset(
    (
        *("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/cloud"),
        *("/var/lib/apt/lists", "/var/lib/dhcp", "/var/lib/systemd", "/lost+found", "/swapfile"),
        *("/etc/machine-id", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"),
    )
)


@cache
def user(number: int) -> str:
    """A user's name; its number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


@cache
def group(number: int) -> str:
    """A group's name; its number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: str, facts: os.stat_result) -> list[object]:
    """Type and mode as `ls` writes them, owner, size in bytes, and what tells contents apart."""
    content = ""
    if stat.S_ISREG(facts.st_mode):
        content = digest(path)
    elif stat.S_ISLNK(facts.st_mode):
        content = os.readlink(path)
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    return [stat.filemode(facts.st_mode), f"{user(facts.st_uid)}:{group(facts.st_gid)}", size, content]


def files(folder: str, device: int, skipped: frozenset[str]) -> Iterator[tuple[str, list[object]]]:
    """Everything on the root file system, by path."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.path in skipped:
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
                yield entry.path, describe(entry.path, facts)
            except FileNotFoundError:
                continue  # it went while we looked
            if stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                yield from files(entry.path, device, skipped)


def lines(*command: str) -> list[str]:
    """The output's lines; none when the command fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return result.stdout.splitlines() if result.returncode == 0 else []


def packages() -> dict[str, str]:
    """Version by package."""
    listed = lines(
        "dpkg-query", "--show", "--showformat", "${Package}:${Architecture} ${Version} ${db:Status-Status}\n"
    )
    found = [line.split() for line in listed]
    return {entry[0]: entry[1] for entry in found if len(entry) == 3 and entry[2] == "installed"}


def units() -> dict[str, str]:
    """State (enabled, masked, static ...) by unit file; those that a boot or a login made are not the image's."""
    listed = lines("systemctl", "list-unit-files", "--no-legend", "--no-pager")
    found = {entry[0]: entry[1] for entry in map(str.split, listed) if len(entry) > 1}
    return {name: state for name, state in found.items() if state not in ("transient", "generated")}


def from_app(command: str) -> object:
    """What the app says of itself; None of an app without that command.

    An app that takes no commands starts to serve instead: it can reach and change nothing, and is ended.
    """
    limits = (
        f"RuntimeMaxSec={APP_S}",
        "TimeoutStopSec=1",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "PrivateNetwork=yes",
    )
    options = [word for limit in limits for word in ("--property", limit)]
    asked = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--uid=app", *options, APP, command)
    try:
        return json.loads("\n".join(lines(*asked)))
    except ValueError:
        return None


def main(image: str, target: str) -> None:
    """Write the manifest, readable by everybody, in one step."""
    manifest = {
        "format": FORMAT,
        "image": image,
        "files": dict(files("/", os.stat("/").st_dev, SKIPPED | {target})),
        "packages": packages(),
        "units": units(),
        "schema": from_app("schema"),
        "settings": from_app("settings"),
    }
    os.makedirs(os.path.dirname(target), exist_ok=True)
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    with open(target + ".new", "wb") as file:
        file.write(gzip.compress(text, compresslevel=6, mtime=0))
        os.fchmod(file.fileno(), 0o644)
    os.replace(target + ".new", target)


if __name__ == "__main__":
    main(*sys.argv[1:])
