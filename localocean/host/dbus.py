"""D-Bus as far as it takes to ask the manager of a machine for something: its messages, and one connection.

Who is at the other end is not trusted: nothing that it sends is larger or nested deeper than is said here, and what
makes no sense raises ``ValueError``.
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS = range(1, 10)
HEADER = "yyyyuua(yv)"
FIXED_BYTES = 16
MOST_BYTES, MOST_NESTED = 1 << 20, 16
NUMBERS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
ALIGNMENTS = {"s": 4, "o": 4, "a": 4, "(": 8, "{": 8, "g": 1, "v": 1}
LINE_END = b"\r\n"


@dataclass(frozen=True)
class Message:
    """One message; the values of the body are as its signature says."""

    kind: int
    serial: int
    fields: dict[int, Any] = field(default_factory=dict)
    body: tuple[Any, ...] = ()


def pack(signature: str, values: Sequence[Any]) -> bytes:
    """Values as D-Bus has them, little-endian; a variant is a pair of its signature and its value."""
    data = bytearray()
    for kind, value in zip(complete_types(signature), values, strict=True):
        _put(data, kind, value)
    return bytes(data)


def unpack(signature: str, data: bytes, position: int = 0) -> tuple[tuple[Any, ...], int]:
    """The values that begin at a position, and where they end. Raises ``ValueError``."""
    found = []
    try:
        for kind in complete_types(signature):
            value, position = _get(data, position, kind, 0)
            found.append(value)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a message that ends too early: {error}") from None
    return tuple(found), position


def complete_types(signature: str) -> Iterator[str]:
    """The complete types that a signature is made of."""
    begin = 0
    while begin < len(signature):
        end = _end_of_type(signature, begin)
        yield signature[begin:end]
        begin = end


def encode(message: Message, signature: str) -> bytes:
    """A message whose body has that signature, as it goes over the wire."""
    body = pack(signature, message.body)
    kinds = {PATH: "o", SIGNATURE: "g", UNIX_FDS: "u", REPLY_SERIAL: "u"}
    told = message.fields | ({SIGNATURE: signature} if signature else {})
    fields = [(code, (kinds.get(code, "s"), value)) for code, value in told.items()]
    header = pack(HEADER, [ord("l"), message.kind, 0, 1, len(body), message.serial, fields])
    return header + bytes(-len(header) % 8) + body


def decode(data: bytes) -> Message:
    """The message that a whole one on the wire is. Raises ``ValueError``."""
    (_, kind, _, _, _, serial, listed), end = unpack(HEADER, data)
    fields = {code: value for code, (_, value) in listed}
    body, _ = unpack(fields.get(SIGNATURE, ""), data, end + -end % 8)
    return Message(kind, serial, fields, body)


class Connection:
    """A connection to a peer, of which we are the client: no bus stands between."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._serial = 0
        self._received = b""

    def authenticate(self, user: int) -> None:
        """Say who we are, and that we pass descriptors. Raises ``ValueError`` when we are refused, or ``OSError``."""
        # All at once, so that it has read the last line when it answers the others: a message with descriptors that it
        # reads together with that line it takes for an attack.
        name = str(user).encode().hex().encode()
        self._peer.sendall(b"\0AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" % name)
        self._expect(b"OK ")
        self._expect(b"AGREE_UNIX_FD")

    def call(
        self, path: str, interface: str, member: str, signature: str, *values: Any, descriptors: Sequence[int] = ()
    ) -> int:
        """Call a method; the number of the call, by which its reply is known."""
        self._serial += 1
        fields = {PATH: path, INTERFACE: interface, MEMBER: member}
        if descriptors:
            fields |= {UNIX_FDS: len(descriptors)}  # type: ignore[dict-item]
        data = encode(Message(CALL, self._serial, fields, values), signature)
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = self._peer.sendmsg([data], passed)
        self._peer.sendall(data[sent:])
        return self._serial

    def receive(self, timeout: float | None) -> bytes:
        """The next whole message, not decoded. Raises ``TimeoutError``, ``OSError`` at its end, or ``ValueError``."""
        self._peer.settimeout(timeout)
        self._await(FIXED_BYTES)
        if self._received[:1] != b"l":
            raise ValueError("a message of another byte order")
        (body,), (fields,) = (struct.unpack_from("<I", self._received, at) for at in (4, 12))
        if fields + body > MOST_BYTES:
            raise ValueError("a message that is too large")
        size = FIXED_BYTES + fields + -fields % 8 + body
        self._await(size)
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def close(self) -> None:
        self._peer.close()

    def _expect(self, begin: bytes) -> None:
        while LINE_END not in self._received:
            if len(self._received) > MOST_BYTES:
                raise ValueError("a line that is too long")
            self._receive()
        line, _, self._received = self._received.partition(LINE_END)
        if not line.startswith(begin):
            raise ValueError(f"refused: {line[:100].decode(errors='replace')}")

    def _await(self, count: int) -> None:
        """Have so many bytes; none is taken yet, so that a wait that was cut short can go on."""
        while len(self._received) < count:
            self._receive()

    def _receive(self) -> None:
        block = self._peer.recv(1 << 16)
        if not block:
            raise ConnectionResetError("the connection has ended")
        self._received += block


def _put(data: bytearray, kind: str, value: Any) -> None:
    _pad(data, _alignment(kind))
    first = kind[0]
    if first in NUMBERS:
        data += struct.pack(f"<{NUMBERS[first]}", value)
    elif first in "so":
        text = value.encode(errors="surrogateescape")
        data += struct.pack("<I", len(text)) + text + b"\0"
    elif first == "g":
        data += struct.pack("<B", len(value)) + value.encode() + b"\0"
    elif first == "v":
        _put(data, "g", value[0])
        _put(data, value[0], value[1])
    elif first == "a":
        at = len(data)
        data += bytes(4)
        _pad(data, _alignment(kind[1:]))
        begin = len(data)
        for each in value:
            _put(data, kind[1:], each)
        struct.pack_into("<I", data, at, len(data) - begin)
    else:
        for part, each in zip(complete_types(kind[1:-1]), value, strict=True):
            _put(data, part, each)


def _get(data: bytes, position: int, kind: str, nested: int) -> tuple[Any, int]:
    if nested > MOST_NESTED:
        raise ValueError("values that are nested too deeply")
    position += -position % _alignment(kind)
    first = kind[0]
    if first in NUMBERS:
        form = f"<{NUMBERS[first]}"
        return struct.unpack_from(form, data, position)[0], position + struct.calcsize(form)
    if first in "so":
        (length,) = struct.unpack_from("<I", data, position)
        return _text(data, position + 4, length), position + 4 + length + 1
    if first == "g":
        return _text(data, position + 1, data[position]), position + 1 + data[position] + 1
    if first == "v":
        inner, position = _get(data, position, "g", nested + 1)
        if list(complete_types(inner)) != [inner]:
            raise ValueError("a variant that is not one value")
        value, position = _get(data, position, inner, nested + 1)
        return (inner, value), position
    if first == "a":
        return _get_array(data, position, kind[1:], nested)
    values = []
    for part in complete_types(kind[1:-1]):
        value, position = _get(data, position, part, nested + 1)
        values.append(value)
    return tuple(values), position


def _get_array(data: bytes, position: int, kind: str, nested: int) -> tuple[list[Any], int]:
    (length,) = struct.unpack_from("<I", data, position)
    position += 4
    position += -position % _alignment(kind)
    end, found = position + length, []
    if end > len(data):
        raise ValueError("an array that ends too early")
    while position < end:
        value, position = _get(data, position, kind, nested + 1)
        found.append(value)
    return found, position


def _text(data: bytes, begin: int, length: int) -> str:
    if begin + length >= len(data):
        raise ValueError("a text that ends too early")
    return data[begin : begin + length].decode(errors="replace")


def _end_of_type(signature: str, begin: int) -> int:
    """Where the complete type that begins there ends. Raises ``ValueError``."""
    first = signature[begin : begin + 1]
    if first and first in "ybnqiuxtdhsogv":
        return begin + 1
    if first == "a" and begin + 1 < len(signature) and begin < MOST_BYTES:
        prefix = len(signature) - len(signature[begin:].lstrip("a")) - begin
        if prefix > MOST_NESTED:
            raise ValueError("arrays that are nested too deeply")
        return _end_of_type(signature, begin + prefix)
    if first in ("(", "{"):
        depth = 0
        for position in range(begin, len(signature)):
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[position], 0)
            if depth == 0 and position > begin + 1:
                return position + 1
    raise ValueError(f"not a signature: {signature[:100]!r}")


def _alignment(kind: str) -> int:
    return ALIGNMENTS.get(kind[0]) or struct.calcsize(NUMBERS[kind[0]])


def _pad(data: bytearray, alignment: int) -> None:
    data += bytes(-len(data) % alignment)
