"""Open connections: both of their ends, and what asks whether one still is."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from localocean.network import connections


def test_a_challenge_is_a_syn_with_a_right_checksum() -> None:
    to = connections.End(IPv4Address("198.18.0.2"), 4711, IPv4Address("198.18.8.1"), 80)
    packet = connections.challenge(to)
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(packet) - 20)
    words = struct.unpack(f"!{(len(packet) - 8) // 2}H", pseudo + packet[20:])
    assert sum(words) % 0xFFFF == 0
    assert struct.unpack("!HH", packet[20:24]) == (80, 4711) and packet[33] == 0x02


def test_both_ends_of_a_connection_are_found() -> None:
    line = (
        "tcp      6 431999 ESTABLISHED src=198.18.0.1 dst=198.18.8.1 sport=4711 dport=80"
        " src=10.16.0.2 dst=198.18.0.1 sport=80 dport=4711 [ASSURED] mark=0 use=1\n"
    )
    host, floating, anchor = (IPv4Address(text) for text in ("198.18.0.1", "198.18.8.1", "10.16.0.2"))
    expected = [connections.End(host, 4711, floating, 80), connections.End(anchor, 80, host, 4711)]
    assert list(connections.ends(line + line.replace("ESTABLISHED", "TIME_WAIT"))) == expected
