"""Ending the connections of a floating IP that has moved, so that neither of their ends waits for the other in vain.

Forgotten by connection tracking, a connection is over: whatever it still sends is answered with a reset (the chain
"broken"). An end that has nothing to send would not hear of that, so it is made to: a SYN in the midst of a connection
is answered with a "challenge ACK" (RFC 5961, section 4), which meets that reset, and the reset bears the right number.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

from localocean.host.run import run
from localocean.network.rules import UNTRACKED

TRACKED = re.compile(r"tcp .*ESTABLISHED src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) src=(\S+) \S+ sport=(\d+)")
REPLIES = re.compile(r"src=\S+ dst=\S+ .*?src=(\S+)")
SYN, HEADER_WORDS, WINDOW, HOPS = 0x02, 5, 1024, 64


@dataclass(frozen=True)
class End:
    """One end of a connection, as it sees the other."""

    address: IPv4Address
    port: int
    peer: IPv4Address
    peer_port: int


def end(address: IPv4Address, target: IPv4Address | None) -> None:
    """End what is connected through the floating IP ``address`` to any but ``target``; both ends are told."""
    tracked = ["-f", "ipv4", "--orig-dst", str(address)]
    listed = run(["conntrack", "-L", *tracked], check=False)
    others = sorted(set(REPLIES.findall(listed)) - {str(address), str(target)})
    said = "".join(run(["conntrack", "-D", *tracked, "--reply-src", other], check=False) for other in others)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, UNTRACKED)
        for each in ends(said):
            # Whom we do not reach will hear of it when he sends something.
            with suppress(OSError):
                raw.sendto(challenge(each), (str(each.address), 0))


def ends(listed: str) -> Iterator[End]:
    """Both ends of each established TCP connection that conntrack(8) lists."""
    for source, address, port, service, target, target_port in TRACKED.findall(listed):
        client = IPv4Address(source)
        yield End(client, int(port), IPv4Address(address), int(service))
        yield End(IPv4Address(target), int(target_port), client, int(port))


def challenge(to: End) -> bytes:
    """An IP packet with a SYN that seems to come from the other end."""
    addresses = to.peer.packed + to.address.packed
    tcp = struct.pack("!HHIIBBHHH", to.peer_port, to.port, 0, 0, HEADER_WORDS << 4, SYN, WINDOW, 0, 0)
    checksum = _checksum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
    # The kernel fills in the length, the identification and the checksum of the IP header (raw(7)).
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, HOPS, socket.IPPROTO_TCP, 0) + addresses + tcp


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
