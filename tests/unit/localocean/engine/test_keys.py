"""The fingerprint of a key."""

from __future__ import annotations

from localocean.engine.keys import fingerprint


def test_a_fingerprint_is_the_md5_of_the_key() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6MwVhGQUsPcQzUjJHVyD4mXzuhcGGCRLYpxQ0zFwFd me@example"
    assert fingerprint(key) == "9b:f0:c4:33:21:83:f0:ac:3a:11:4d:12:f3:4d:57:35"
