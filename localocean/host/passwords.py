"""A new password for a droplet's root, written into its disk from outside; no program of the droplet's takes part."""

from __future__ import annotations

from pathlib import Path

from localocean.host import inside
from localocean.host.errors import HostError
from localocean.host.run import run

SHADOW = "/etc/shadow"
SHADOW_GROUP = 42
"""The group ``shadow`` of every Debian, whose programs check passwords."""


def set_root_password(root: Path, password: str) -> None:
    """Make ``password`` root's in the mounted disk ``root``. Raises ``HostError`` when that knows no root."""
    text = (inside.read(root, SHADOW) or b"").decode(errors="surrogateescape")
    changed = with_password(text, run(["openssl", "passwd", "-6", "-stdin"], input=f"{password}\n").strip())
    inside.write(root, SHADOW, changed.encode(errors="surrogateescape"), 0o640, SHADOW_GROUP)


def with_password(shadow: str, encrypted: str) -> str:
    """The text of ``/etc/shadow`` with root's encrypted password replaced (shadow(5))."""
    lines = [line.split(":") for line in shadow.splitlines()]
    if not any(fields[0] == "root" and len(fields) > 1 for fields in lines):
        raise HostError("The droplet's /etc/shadow has no root.", "Rebuild the droplet.")
    kept = [[fields[0], encrypted, *fields[2:]] if fields[0] == "root" else fields for fields in lines]
    return "".join(f"{':'.join(fields)}\n" for fields in kept)
