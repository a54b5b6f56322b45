"""When a machine lets one in: the same poll for every machine that is measured."""

from __future__ import annotations

import socket
import time

import paramiko

PAUSE = 0.02
"""Seconds between two attempts."""

ATTEMPT = 0.2
"""Seconds for a connection to be accepted: a packet that was sent too early is lost, and not worth waiting for."""


class LoginError(Exception):
    """Nobody was let in before the deadline."""


def wait_for_login(address: str, key: paramiko.Ed25519Key, seconds: float = 60) -> None:
    """Return as soon as root has logged in by key; raises LoginError when that takes more than `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _log_in(address, key)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if time.monotonic() > deadline:
                raise LoginError(f"{address} let nobody in within {seconds:g} seconds: {error}.") from error
        time.sleep(PAUSE)


def _log_in(address: str, key: paramiko.Ed25519Key) -> None:
    with socket.create_connection((address, 22), timeout=ATTEMPT) as connection, paramiko.SSHClient() as client:
        # A throwaway machine on this host, whose key is made while we wait: there is nothing to compare it with.
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address, username="root", pkey=key, sock=connection, timeout=5, allow_agent=False, look_for_keys=False
        )
