"""SSH by paramiko, to hosts whose key is known beforehand.

It is imported when it is first needed: that takes time, which a rollback does not have.
"""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import PipelineError
from slipway.retries import polled

if TYPE_CHECKING:
    import paramiko

    Client = paramiko.SSHClient
    Socket = socket.socket | paramiko.Channel


CONNECT_S = 10.0
MOST_BYTES = 16 << 20
"""What a command may write, and how much of a file is read."""
_FILE_S = 30.0
_GLANCE = 0.2
"""Seconds that one output is waited for before the other one is looked at."""


class Unreachable(PipelineError):
    """A host to which there is no way, or none that can be trusted."""


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote. Not shown by repr: it may have written secrets."""

    status: int
    output: str = field(repr=False)
    errors: str = field(repr=False)


@contextmanager
def connect(
    address: str, identity: Path, host_key: str, *, patience: float = 0, timeout: float | None = None
) -> Iterator[Client]:
    """A connection as root, refused unless the host shows `host_key` (one line in OpenSSH's public format).

    A host that is booting is waited for, for `patience` seconds; ``timeout`` is for each step of the way in. Raises
    Unreachable when the host cannot be reached, shows another key, or does not let us in.
    """
    import paramiko

    failed: list[Exception] = []
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, encoded = host_key.split()[:2]
        client.get_host_keys().add(address, kind, paramiko.Ed25519Key(data=base64.b64decode(encoded)))

        def is_in() -> bool:
            try:
                client.connect(
                    address,
                    username="root",
                    key_filename=str(identity),
                    sock=_socket(address, timeout or CONNECT_S),
                    banner_timeout=timeout,
                    auth_timeout=timeout,
                    allow_agent=False,
                    look_for_keys=False,
                )
            except (paramiko.BadHostKeyException, paramiko.AuthenticationException) as error:
                raise _unreachable(address, error) from error  # which does not get better
            except (OSError, EOFError, paramiko.SSHException) as error:
                failed.append(error)
                return False
            return True

        if not polled(is_in, patience, 0.2):
            raise _unreachable(address, failed[-1]) from failed[-1]
        yield client


def _unreachable(address: str, error: Exception) -> Unreachable:
    return Unreachable(f"{address} cannot be reached by SSH: {error}.")


def _socket(address: str, timeout: float) -> socket.socket:
    """A connection without Nagle's algorithm, which would hold the first packet of each command back for 40 ms."""
    found = socket.create_connection((address, 22), timeout=timeout)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def execute(client: Client, command: str, *, stdin: str = "", timeout: float, most: int = MOST_BYTES) -> Result:
    """Run a command to its end, handing it ``stdin``; after ``timeout`` seconds, or ``most`` bytes, it has none.

    Raises PipelineError when the connection is lost, the time is over, or the output is too long.
    """
    import paramiko

    try:
        with _channel(client, timeout) as (channel, clock):
            channel.exec_command(command)
            channel.settimeout(clock.left())
            channel.sendall(stdin.encode())
            channel.shutdown_write()
            said, complained = _read(channel, clock, most)
            channel.status_event.wait(clock.left())
            if not channel.exit_status_ready():
                raise TimeoutError(f"no end within {timeout:.0f} s")
            return Result(
                channel.recv_exit_status(), said.decode(errors="replace"), complained.decode(errors="replace")
            )
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise PipelineError(f"A connection by SSH was lost: {error or type(error).__name__}.") from error


def run(client: Client, command: str, timeout: float = 30, most: int = MOST_BYTES) -> str:
    """What a command writes, its errors included, within so many seconds and bytes; the last line says what is missing.

    Raises OSError when the connection is lost.
    """
    import paramiko

    try:
        with _channel(client, timeout) as (channel, clock):
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            return _read(channel, clock, most, partly=True)[0].decode(errors="replace")
    except (EOFError, paramiko.SSHException) as error:
        raise OSError(f"the connection was lost: {error or type(error).__name__}") from error


class _Clock:
    """How much of a deadline is left, in seconds; raises TimeoutError when nothing is."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._ends = seconds, time.monotonic() + seconds

    def left(self) -> float:
        if (left := self._ends - time.monotonic()) <= 0:
            raise TimeoutError(f"no end within {self._seconds:.0f} s")
        return left


@contextmanager
def _channel(client: Client, seconds: float) -> Iterator[tuple[paramiko.Channel, _Clock]]:
    transport = client.get_transport()
    if transport is None:
        raise OSError("it was closed")
    clock = _Clock(seconds)
    with transport.open_session(timeout=clock.left()) as channel:
        yield channel, clock


def _read(channel: paramiko.Channel, clock: _Clock, most: int, *, partly: bool = False) -> tuple[bytes, bytes]:
    """Both outputs to their ends, side by side; ``partly`` gives what there is when time or bytes are up."""
    said, complained = bytearray(), bytearray()
    try:
        while not channel.closed or channel.recv_ready() or channel.recv_stderr_ready():
            clock.left()
            if channel.recv_stderr_ready():
                complained += channel.recv_stderr(1 << 16)
            elif channel.recv_ready():
                said += channel.recv(1 << 16)
            elif channel.eof_received:
                break
            else:
                channel.settimeout(min(clock.left(), _GLANCE))
                with suppress(TimeoutError):
                    said += channel.recv(1 << 16)
            if len(said) + len(complained) > most:
                raise TimeoutError(f"more than {most} bytes")
    except TimeoutError as error:
        if not partly:
            raise
        del said[most:]
        said += f"\n[cut off here: {error}]\n".encode()
    return bytes(said), bytes(complained)


def read(client: paramiko.SSHClient, path: str) -> bytes:
    """The contents of a file; raises OSError when it cannot be read."""
    with client.open_sftp() as sftp:
        if channel := sftp.get_channel():
            channel.settimeout(_FILE_S)
        with sftp.open(path, "rb") as file:
            return file.read(MOST_BYTES)


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
