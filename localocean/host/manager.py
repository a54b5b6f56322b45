"""The service manager of a machine, asked from the host to run something there.

It is a unit of the machine like any other: a child of the machine's own process 1, in its control group, under its
system call filter, with its capabilities. It ends when the machine shuts down. No process of the host enters: the
words of a command go in, and three descriptors that were made for it. The machine's root can see and change all of
that, as he can everything in his machine.

The manager is asked through its own socket, /run/systemd/private, which wants its caller to be the machine's root.
"""

from __future__ import annotations

import ctypes
import os
import platform
import secrets
import socket
import stat
import struct
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from localocean.host import cgroups, dbus, inside
from localocean.host.errors import HostError

CALL_SECONDS = 30.0
BEGIN_SECONDS, PAUSE = 10.0, 0.02
STOP_SECONDS = 5
SYSTEMD, MANAGER_PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
MANAGER = f"{SYSTEMD}.Manager"
ENDED = ("inactive", "failed")
KILLED = (2, 3)
"""What ExecMainCode is of a process that a signal ended: CLD_KILLED, CLD_DUMPED (sigaction(2))."""

SETRESUID = {"x86_64": 117, "aarch64": 147}
"""The system call: glibc's own function would wait for threads that a child does not have."""

CLONE_NEWPID = 0x20000000
MOST_DESCRIPTORS = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


class Unit:
    """Something that runs in a machine, until it ends or is stopped. Raises ``HostError``."""

    def __init__(self, unit: str, words: Sequence[str], descriptors: tuple[int, int, int], *, alone: bool) -> None:
        """Run ``words`` in the machine ``unit`` as its root, with these as standard input, output and error.

        What it leaves running when it ends is ended, too, unless ``alone`` says that it alone is.
        """
        self._name = f"localocean-{secrets.token_hex(8)}.service"
        self._path = f"{MANAGER_PATH}/unit/{_escaped(self._name)}"
        self._job, self._active, self._gone = 0, "", False
        self._code, self._status = 0, 0
        self._connection = connect(unit)
        try:
            properties = _properties(words, alone=alone)
            signature, nothing = "ssa(sv)a(sa(sv))", list[object]()
            self._call(
                "StartTransientUnit", signature, self._name, "fail", properties, nothing, descriptors=descriptors
            )
        except BaseException:
            self._connection.close()
            raise

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code as a shell tells it, once it has ended. Raises ``TimeoutError`` after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ended():
            self._hear(None if deadline is None else max(deadline - time.monotonic(), 0.001))
        return 128 + self._status if self._code in KILLED else self._status

    def stop(self) -> None:
        """End it, unless it has ended."""
        with suppress(HostError):
            if not self._ended():
                self._call("StopUnit", "ss", self._name, "replace")

    def close(self) -> None:
        """Let go of the machine; what runs there goes on."""
        self._connection.close()

    def _ended(self) -> bool:
        return self._gone or (self._active in ENDED and not self._job)

    def _call(self, member: str, signature: str, *values: Any, descriptors: Sequence[int] = ()) -> None:
        with _understood():
            number = self._connection.call(MANAGER_PATH, MANAGER, member, signature, *values, descriptors=descriptors)
        deadline = time.monotonic() + CALL_SECONDS
        try:
            while not self._hear(max(deadline - time.monotonic(), 0.001), number):
                pass
        except TimeoutError:
            raise _silent("nothing in time") from None

    def _hear(self, timeout: float | None, number: int = 0) -> bool:
        """Take note of the next message; whether it is the reply to a call."""
        with _understood():
            data = self._connection.receive(timeout)
            if data[1] == dbus.SIGNAL and self._path.encode() not in data and self._name.encode() not in data:
                return False  # of the hundreds while a machine boots
            message = dbus.decode(data)
            if message.fields.get(dbus.REPLY_SERIAL) == number and message.kind == dbus.ERROR:
                reason = str(message.body[0]) if message.body else message.fields.get(dbus.ERROR_NAME)
                raise HostError(f"The machine's manager refuses: {reason}.")
            self._note(message)
            return message.kind == dbus.RETURN and message.fields.get(dbus.REPLY_SERIAL) == number

    def _note(self, message: dbus.Message) -> None:
        member = message.fields.get(dbus.MEMBER)
        if member == "UnitRemoved" and message.body[0] == self._name:
            self._gone = True
        if member == "PropertiesChanged" and message.fields.get(dbus.PATH) == self._path:
            changed = {name: value for name, (_, value) in message.body[1]}
            self._active = str(changed.get("ActiveState", self._active))
            self._job = int(changed["Job"][0]) if "Job" in changed else self._job
            self._code = int(changed.get("ExecMainCode", self._code))
            self._status = int(changed.get("ExecMainStatus", self._status)) & 0xFF


def connect(unit: str) -> dbus.Connection:
    """A connection to the manager of the machine ``unit``, as soon as it has begun to boot. Raises ``HostError``."""
    deadline = time.monotonic() + BEGIN_SECONDS
    while True:
        init = cgroups.init(unit)
        if init is None:
            raise HostError("The droplet is not running.", "See its console: localocean console DROPLET")
        try:
            return _connected(init)
        except TimeoutError:
            raise _silent("nothing in time") from None
        except (FileNotFoundError, ConnectionRefusedError) as error:  # it has no door yet
            if time.monotonic() > deadline:
                raise _silent(str(error)) from None
        except (OSError, ValueError) as error:
            raise _silent(str(error)) from None
        time.sleep(PAUSE)


def _connected(init: int) -> dbus.Connection:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _knocking(init, peer.fileno()):
            _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if user != inside.SHIFT:
                raise ValueError("it is not the machine's root")
            peer.settimeout(CALL_SECONDS)
            connection = dbus.Connection(peer)
            connection.authenticate(0)
        return connection
    except BaseException:
        peer.close()
        raise


@contextmanager
def _knocking(init: int, peer: int) -> Iterator[None]:
    """Have a socket connected to the manager's, which looks at who connects as long as the context is open.

    The door is looked for from the machine's root directory without following a link that somebody put there.
    """
    with inside.opened(Path(f"/proc/{init}/root"), ("run", "systemd")) as folder:
        door = os.open("private", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISSOCK(os.fstat(door).st_mode):
            raise ValueError("there is no socket")
        os.set_blocking(peer, False)  # so that nobody keeps whoever knocks waiting
        child, control = _begin_to_knock(init, peer, f"/proc/self/fd/{door}".encode())
    finally:
        os.close(door)
    try:
        with control:
            told = control.recv(1)
            if not told or told[0]:
                raise OSError(*(told and (told[0], os.strerror(told[0]))))
            yield
    finally:
        os.waitpid(child, 0)


def _begin_to_knock(init: int, peer: int, path: bytes) -> tuple[int, socket.socket]:
    """A process that the manager takes for the machine's root, which is whom it obeys; it goes when it is let go of.

    It is one of the machine's processes by its number alone, and holds nothing but the two sockets. It has the
    credentials of this host's root, and as its effective user the machine's: nobody in the machine may trace it, signal
    it or look into it.
    """
    address = ctypes.create_string_buffer(struct.pack("H", socket.AF_UNIX) + path)
    unchanged, user = ctypes.c_long(-1), ctypes.c_long(inside.SHIFT)
    number = ctypes.c_long(SETRESUID[platform.machine()])
    control, theirs = socket.socketpair()
    kept = sorted((peer, theirs.fileno()))
    with theirs, _children_in(f"/proc/{init}/ns/pid"), warnings.catch_warnings():
        # Beside other threads a child must do next to nothing, which is what this one does.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            refused = LIBC.syscall(number, unchanged, user, unchanged) or LIBC.connect(peer, address, len(address))
            error = ctypes.get_errno() if refused else 0
            for first, last in zip((0, kept[0] + 1, kept[1] + 1), (*kept, MOST_DESCRIPTORS), strict=True):
                os.closerange(first, last)
            os.write(theirs.fileno(), bytes([error]))
            os.read(theirs.fileno(), 1)
            os._exit(0)
    return child, control


@contextmanager
def _children_in(namespace: str) -> Iterator[None]:
    """Have the children of this thread, and of no other, begin in another namespace of process numbers."""
    theirs = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter_namespace(theirs)
        try:
            yield
        finally:
            _enter_namespace(ours)
    finally:
        os.close(ours)
        os.close(theirs)


def _enter_namespace(descriptor: int) -> None:
    if LIBC.setns(descriptor, CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def _understood() -> Iterator[None]:
    """Turn whatever a machine's manager sends, and that it ends, into one sentence; a wait may be cut short."""
    try:
        yield
    except TimeoutError:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _silent(str(error)) from None


def _silent(reason: str) -> HostError:
    return HostError(f"The machine's manager does not answer: {reason}.", "See its console: localocean console DROPLET")


def _properties(words: Sequence[str], *, alone: bool) -> list[tuple[str, tuple[str, Any]]]:
    """A transient service, which takes no part in what starts before it and goes before everything else."""
    # Of a `$`, systemd makes the value of a variable, and of two one.
    argv = [word.replace("$", "$$") for word in words]
    return [
        ("Description", ("s", "Something that the local cloud runs here")),
        ("ExecStart", ("a(sasb)", [(words[0], argv, False)])),
        ("StandardInputFileDescriptor", ("h", 0)),
        ("StandardOutputFileDescriptor", ("h", 1)),
        ("StandardErrorFileDescriptor", ("h", 2)),
        ("DefaultDependencies", ("b", False)),
        ("Conflicts", ("as", ["shutdown.target"])),
        ("Before", ("as", ["shutdown.target"])),
        ("KillMode", ("s", "process" if alone else "control-group")),
        ("SendSIGHUP", ("b", True)),
        ("TimeoutStopUSec", ("t", STOP_SECONDS * 1_000_000)),
        ("IgnoreSIGPIPE", ("b", False)),
        ("OOMPolicy", ("s", "continue")),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]


def _escaped(name: str) -> str:
    """A unit's name as the last part of its object's path."""
    return "".join(each if each.isascii() and each.isalnum() else f"_{ord(each):02x}" for each in name)
