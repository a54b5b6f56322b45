"""The tunnel's pumps, over real sockets; the rest of SSH is shown on machines."""

from __future__ import annotations

import socket
import threading

from slipway.tools.ssh import _pump


def test_a_pump_hands_on_every_byte_and_the_end() -> None:
    near, source = socket.socketpair()
    sink, far = socket.socketpair()
    pump = threading.Thread(target=_pump, args=(source, sink))
    pump.start()
    sent = bytes(range(256)) * 1000

    def send() -> None:
        near.sendall(sent)
        near.shutdown(socket.SHUT_WR)

    threading.Thread(target=send).start()
    got = bytearray()
    while data := far.recv(65536):
        got += data
    pump.join(timeout=5)
    assert (bytes(got), pump.is_alive()) == (sent, False)
    for each in (near, source, sink, far):
        each.close()
