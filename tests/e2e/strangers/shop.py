"""A web app in Python, as strangers write them: a folder of files, a package of Debian's, and a place to write to."""

import os
import zoneinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STORE = Path("/var/lib/shop/visits")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer("ok")
            return
        with STORE.open("a") as visits:
            visits.write(f"{self.path}\n")
        return self.answer(f"shop in Python, {zoneinfo.ZoneInfo('Europe/Berlin')}")

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
