"""What becomes of files that a base image hands to the droplets' user namespace."""

from __future__ import annotations

from localocean.storage.bases import shifted_capability


def test_file_capabilities_name_the_root_they_are_of() -> None:
    ping = bytes.fromhex("0100000200200000000000000000000000000000")
    assert shifted_capability(ping).hex() == "0100000300200000000000000000000000000000" + "00000800"
