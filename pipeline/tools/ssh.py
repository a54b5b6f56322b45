"""SSH by paramiko, to hosts whose key is known beforehand.

It is imported when it is first needed: that takes time, which a rollback does not have.
"""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import paramiko

    Client = paramiko.SSHClient
    Socket = socket.socket | paramiko.Channel


class Unreachable(PipelineError):
    """A host to which there is no way, or none that can be trusted."""


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote. Not shown by repr: it may have written secrets."""

    status: int
    output: str = field(repr=False)
    errors: str = field(repr=False)


@contextmanager
def connect(address: str, identity: Path, host_key: str, *, patience: float = 0) -> Iterator[Client]:
    """A connection as root, refused unless the host shows `host_key` (one line in OpenSSH's public format).

    A host that is booting is waited for, for `patience` seconds. Raises Unreachable when the host cannot be reached,
    shows another key, or does not let us in.
    """
    import paramiko

    deadline = time.monotonic() + patience
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, encoded = host_key.split()[:2]
        client.get_host_keys().add(address, kind, paramiko.Ed25519Key(data=base64.b64decode(encoded)))
        while True:
            try:
                client.connect(
                    address,
                    username="root",
                    key_filename=str(identity),
                    sock=_socket(address),
                    allow_agent=False,
                    look_for_keys=False,
                )
                break
            except (OSError, EOFError, paramiko.SSHException) as error:
                # A wrong host key or a refused login does not get better.
                final = isinstance(error, (paramiko.BadHostKeyException, paramiko.AuthenticationException))
                if final or time.monotonic() >= deadline:
                    raise Unreachable(f"{address} cannot be reached by SSH: {error}.") from error
                time.sleep(0.2)
        yield client


def _socket(address: str) -> socket.socket:
    """A connection without Nagle's algorithm, which would hold the first packet of each command back for 40 ms."""
    found = socket.create_connection((address, 22), timeout=10)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def execute(client: Client, command: str, *, stdin: str = "", timeout: float) -> Result:
    """Run a command to its end, handing it ``stdin``; ``timeout`` (seconds) bounds each wait for output.

    Raises PipelineError when the connection is lost, or the time is over.
    """
    import paramiko

    try:
        into, output, errors = client.exec_command(command, timeout=timeout)
        into.write(stdin)
        into.channel.shutdown_write()
        said, complained = output.read().decode(errors="replace"), errors.read().decode(errors="replace")
        return Result(output.channel.recv_exit_status(), said, complained)
    except (OSError, paramiko.SSHException) as error:
        raise PipelineError(f"A connection by SSH was lost: {error or type(error).__name__}.") from error


def run(client: Client, command: str, timeout: float = 30) -> str:
    """What a command writes, its errors included; `timeout` (seconds) bounds each wait for output."""
    _, output, errors = client.exec_command(command, timeout=timeout)
    return str(output.read().decode(errors="replace") + errors.read().decode(errors="replace"))


def read(client: paramiko.SSHClient, path: str) -> bytes:
    """The contents of a file; raises OSError when it cannot be read."""
    with client.open_sftp() as sftp, sftp.open(path, "rb") as file:
        return file.read()


@contextmanager
def tunnel(client: paramiko.SSHClient, host: str, port: int) -> Iterator[int]:
    """A port of this machine's loopback whose connections go on from the droplet to `host` and `port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(client, listener, (host, port)), daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # a close alone does not wake who waits in accept


def _accept(client: paramiko.SSHClient, listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            connection, origin = listener.accept()
        except OSError:
            return
        threading.Thread(target=_forward, args=(client, connection, origin, target), daemon=True).start()


def _forward(
    client: paramiko.SSHClient, connection: socket.socket, origin: tuple[str, int], target: tuple[str, int]
) -> None:
    import paramiko

    transport = client.get_transport()
    with connection:
        try:
            if transport is None:
                return
            channel = transport.open_channel("direct-tcpip", target, origin, timeout=10)
        except (OSError, EOFError, paramiko.SSHException):
            return  # the caller sees a connection that is closed at once
        with channel:
            back = threading.Thread(target=_pump, args=(channel, connection), daemon=True)
            back.start()
            _pump(connection, channel)
            back.join()


def _pump(source: Socket, sink: Socket) -> None:
    """Copy until the source ends, and hand the end on."""
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except (OSError, EOFError):
        source.close()
        sink.close()
