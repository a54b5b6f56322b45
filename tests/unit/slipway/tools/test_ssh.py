"""Commands by SSH against a server in this process: whatever they write, they end in time and within their length."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from slipway.errors import PipelineError
from slipway.tools import ssh

Command = Callable[[paramiko.Channel], None]


def flood(channel: paramiko.Channel) -> None:
    """Write without an end."""
    while True:
        channel.sendall(b"x" * 4096)


def drip(channel: paramiko.Channel) -> None:
    """Write a byte now and then, without an end."""
    while True:
        channel.sendall(b"x")
        time.sleep(0.05)


def mute(channel: paramiko.Channel) -> None:
    """Neither write nor end."""
    time.sleep(30)


def both(channel: paramiko.Channel) -> None:
    """More errors than fit into a window before the first output, and a status."""
    for _ in range(1000):
        channel.sendall_stderr(b"e" * 4096)
    channel.sendall(b"done")
    channel.send_exit_status(3)
    channel.close()


def echo(channel: paramiko.Channel) -> None:
    """What was handed over, and success."""
    said = b""
    while data := channel.recv(4096):
        said += data
    channel.sendall(said)
    channel.send_exit_status(0)
    channel.close()


COMMANDS: dict[str, Command] = {each.__name__: each for each in (flood, drip, mute, both, echo)}


class Server(paramiko.ServerInterface):
    """Lets anybody in, and runs the command of a name."""

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_quietly, args=(COMMANDS[command.decode()], channel), daemon=True).start()
        return True


def _quietly(command: Command, channel: paramiko.Channel) -> None:
    try:
        command(channel)
    except (OSError, EOFError):
        return


@pytest.fixture
def client() -> Iterator[Any]:
    """A connection to the server, as far as a client is asked for one."""
    here, there = socket.socketpair()
    with here, there, closing(paramiko.Transport(there)) as server, closing(paramiko.Transport(here)) as transport:
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(threading.Event(), Server())
        transport.start_client()
        transport.auth_none("root")
        yield SimpleNamespace(get_transport=lambda: transport)


def test_a_command_gets_its_input_and_says_how_it_ended(client: Any) -> None:
    assert ssh.execute(client, "echo", stdin="ä\n" * 1000, timeout=20) == ssh.Result(0, "ä\n" * 1000, "")


def test_errors_do_not_hold_the_output_up(client: Any) -> None:
    result = ssh.execute(client, "both", timeout=20)
    assert (result.status, result.output, len(result.errors)) == (3, "done", 4096 * 1000)


@pytest.mark.parametrize("command", ["drip", "mute"])
def test_a_command_without_an_end_ends_at_its_deadline(client: Any, command: str) -> None:
    start = time.monotonic()
    with pytest.raises(PipelineError, match="no end within 1 s"):
        ssh.execute(client, command, timeout=0.6)
    assert "[cut off here: no end within 1 s]" in ssh.run(client, command, 0.6)
    assert time.monotonic() - start < 5


def test_a_command_that_floods_is_cut_off(client: Any) -> None:
    text = ssh.run(client, "flood", 20, most=100_000)
    assert text.endswith("[cut off here: more than 100000 bytes]\n") and len(text) < 100_100
    with pytest.raises(PipelineError, match="more than 100000 bytes"):
        ssh.execute(client, "flood", timeout=20, most=100_000)
