"""SSH by paramiko, to hosts whose key is known beforehand."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from pipeline.errors import PipelineError


@contextmanager
def connect(address: str, identity: Path, host_key: str) -> Iterator[paramiko.SSHClient]:
    """A connection as root, refused unless the host shows `host_key` (one line in OpenSSH's public format).

    Raises PipelineError when the host cannot be reached, shows another key, or does not let us in.
    """
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, encoded = host_key.split()[:2]
        client.get_host_keys().add(address, kind, paramiko.Ed25519Key(data=base64.b64decode(encoded)))
        try:
            client.connect(
                address,
                username="root",
                key_filename=str(identity),
                timeout=10,
                allow_agent=False,
                look_for_keys=False,
            )
        except (OSError, paramiko.SSHException) as error:
            raise PipelineError(f"{address} cannot be reached by SSH: {error}.") from error
        yield client


def run(client: paramiko.SSHClient, command: str, timeout: float = 30) -> str:
    """What a command writes, its errors included; `timeout` (seconds) bounds each wait for output."""
    _, output, errors = client.exec_command(command, timeout=timeout)
    return str(output.read().decode(errors="replace") + errors.read().decode(errors="replace"))
