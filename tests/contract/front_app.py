"""An app that knows nothing of a front: it says what it was asked, and answers in the ways that fronts get wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        {
            "/events": self.events,
            "/socket": self.socket,
            "/error": self.error,
            "/hangs-up": self.hang_up,
        }.get(self.path, self.echo)()

    def do_POST(self) -> None:
        self.seen.append(self.path)
        if self.path == "/hangs-up":
            self.hang_up()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, json.dumps({"bytes": len(body)}).encode())

    def echo(self) -> None:
        headers = {name.lower(): self.headers.get_all(name) for name in self.headers}
        said = {"path": self.path, "headers": headers, "peer": self.client_address[0], "seen": self.seen}
        self.answer(200, json.dumps(said).encode())

    def error(self) -> None:
        self.answer(500, b"it went wrong", "text/plain")

    def events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            text = f"data: {number} {time.time()}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            time.sleep(0.5)
        self.wfile.write(b"0\r\n\r\n")

    def socket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        while data := self.connection.recv(4096):
            self.connection.sendall(data)
        self.close_connection = True

    def hang_up(self) -> None:
        """Closes without a word the first time, as an app does with a kept connection at the end of its time."""
        if self.seen.count(self.path) % 2:
            self.close_connection = True
        else:
            self.answer(200, b"{}")

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Slipway-Release", "claimed by the app")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("", int(sys.argv[1])), Handler).serve_forever()
