"""What goes over the wire to a machine's manager, and whatever may come back."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localocean.host import dbus, enter, manager
from localocean.host.errors import HostError

CHANGED = (
    "org.freedesktop.systemd1.Unit",
    [("ActiveState", ("s", "failed")), ("Job", ("(uo)", (7, "/job/7"))), ("Times", ("at", [1, 2**63]))],
    ["Invalidated"],
)


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("ybnqiuxtdhsog", (1, 1, -2, 3, -4, 5, -6, 7, 0.5, 0, "text ü", "/path", "a{sv}")),
        ("sa{sv}as", CHANGED),
        ("ssa(sv)a(sa(sv))", ("name", "fail", [("ExecStart", ("a(sasb)", [("/bin/x", ["x", "$$"], 0)]))], [])),
        ("aas", ([["one"], [], ["two", "three"]],)),
        ("a(yx)", ([(1, 2), (3, 4)],)),
        ("", ()),
    ],
)
def test_values_arrive_as_they_were(signature: str, values: tuple[Any, ...]) -> None:
    packed = dbus.pack(signature, values)
    assert dbus.unpack(signature, packed) == (values, len(packed))


def test_a_message_arrives_as_it_was() -> None:
    fields = {dbus.PATH: "/org/x", dbus.INTERFACE: "org.x", dbus.MEMBER: "Changed"}
    sent = dbus.Message(dbus.SIGNAL, 9, fields, CHANGED)
    data = dbus.encode(sent, "sa{sv}as")
    assert len(dbus.encode(dbus.Message(dbus.CALL, 1, fields), "")) % 8 == 0
    found = dbus.decode(data)
    assert (found.kind, found.serial, found.body) == (sent.kind, 9, CHANGED)
    assert found.fields == fields | {dbus.SIGNATURE: "sa{sv}as"}


@given(some.binary(max_size=300))
def test_what_makes_no_sense_is_a_value_error(data: bytes) -> None:
    for signature in (dbus.HEADER, "v", "a{sv}", "sa{sv}as"):
        try:
            dbus.unpack(signature, data)
        except ValueError:
            pass
    try:
        dbus.decode(data)
    except ValueError:
        pass


@given(some.text(alphabet="aybs(){}v", max_size=60))
def test_a_signature_is_split_or_refused(signature: str) -> None:
    try:
        parts = list(dbus.complete_types(signature))
    except ValueError:
        return
    assert "".join(parts) == signature


@pytest.mark.parametrize("signature", ["a" * 200 + "y", "(" * 5000 + ")" * 5000, "a", "(", "z"])
def test_what_is_nested_without_end_is_refused(signature: str) -> None:
    with pytest.raises(ValueError):
        dbus.unpack(signature, bytes(70_000))


def test_variants_are_not_nested_without_end() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        dbus.unpack("v", b"\1v\0" * 20_000)


def connection(said: bytes) -> dbus.Connection:
    ours, theirs = socket.socketpair()

    def say() -> None:
        with theirs, suppress(OSError):
            theirs.sendall(said)

    threading.Thread(target=say, daemon=True).start()
    return dbus.Connection(ours)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"l\4\0\1",
        b"B" + bytes(15),
        b"l\4\0\1" + struct.pack("<III", 0xFFFFFFF0, 1, 0xFFFFFFF0),
        b"l\4\0\1" + struct.pack("<III", 0, 1, 8) + bytes(4),
    ],
    ids=["nothing", "the begin", "another order", "the largest", "the half"],
)
def test_a_peer_that_makes_no_sense_is_left(said: bytes) -> None:
    peer = connection(said)
    with pytest.raises((ValueError, OSError)):
        peer.receive(5)
    peer.close()


@pytest.mark.parametrize("said", [b"REJECTED EXTERNAL\r\n", b"OK 1\r\nERROR\r\n", b"x" * (2 << 20), b""])
def test_a_peer_that_refuses_us_is_left(said: bytes) -> None:
    peer = connection(said)
    with pytest.raises((ValueError, OSError)):
        peer.authenticate(0)
    peer.close()


def test_a_wait_that_was_cut_short_goes_on() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        cut_short(ours, theirs)


def cut_short(ours: socket.socket, theirs: socket.socket) -> None:
    peer, data = dbus.Connection(ours), dbus.encode(dbus.Message(dbus.SIGNAL, 1, {dbus.PATH: "/x"}, ("all",)), "s")
    for part in (data[:9], data[9:30]):
        theirs.sendall(part)
        with pytest.raises(TimeoutError):
            peer.receive(0.01)
    theirs.sendall(data[30:])
    assert dbus.decode(peer.receive(5)).body == ("all",)


def test_words_are_not_variables_of_the_manager() -> None:
    properties = dict(manager._properties(enter.command(["echo", "$HOME", "${A}", "$$"]), alone=True))
    _, [(path, argv, _)] = properties["ExecStart"]
    assert path == argv[0] == "/usr/bin/env"
    assert argv[-4:] == ["echo", "$$HOME", "$${A}", "$$$$"]
    assert properties["KillMode"] == ("s", "process")


def test_the_name_of_a_unit_is_a_path() -> None:
    assert manager._escaped("localocean-0a.service") == "localocean_2d0a_2eservice"


def test_a_machine_that_does_not_run_is_one_sentence() -> None:
    with pytest.raises(HostError, match="The droplet is not running"):
        enter.run("localocean-none-0", ["true"])
