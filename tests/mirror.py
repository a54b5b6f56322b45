"""A network mirror for providers on loopback, over TLS: https://opentofu.org/docs/internals/provider-network-mirror-protocol/"""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from slipway.tools.toolchain import TOOLS, Toolchain, architecture

PROVIDER = "terraform-provider-digitalocean"
_PLACE = "registry.opentofu.org/digitalocean/digitalocean"


class Mirror:
    """What it serves, which may be changed. Who asks it has to trust the certificates in ``ca``."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}/"
        self.ca = folder / "ca.pem"
        self.asked: list[str] = []
        self._place = folder / "www" / _PLACE

    def offer(self, binary: Path, version: str, beside: str = "") -> None:
        """Serve a provider as a version of its own, with another file beside it in the archive if there is a text."""
        self._place.mkdir(parents=True, exist_ok=True)
        name = f"{version}.zip"
        with zipfile.ZipFile(self._place / name, "w") as archive:
            entry = zipfile.ZipInfo(f"{PROVIDER}_v{version}")
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, binary.read_bytes())
            if beside:
                archive.writestr("README.md", beside)
        archives = {"archives": {f"linux_{architecture()}": {"url": name}}}
        (self._place / f"{version}.json").write_text(json.dumps(archives))
        versions: dict[str, object] = {path.stem: {} for path in self._place.glob("*.zip")}
        (self._place / "index.json").write_text(json.dumps({"versions": versions}))


@contextmanager
def mirror(folder: Path) -> Iterator[Mirror]:
    """A mirror that offers nothing yet, with a certificate of its own."""
    (folder / "www").mkdir()
    _certify(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder / "www")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found = Mirror(folder, server.server_address[1])
    _Handler.asked = found.asked
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def built_provider(toolchain: Toolchain) -> Path:
    """The provider that slipway builds, as a file; it is built when it is not there."""
    toolchain.ensure([PROVIDER], print)
    version = TOOLS[PROVIDER].version
    return next((toolchain.folder(PROVIDER) / "mirror" / _PLACE / version).glob(f"*/{PROVIDER}_v{version}"))


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str] = []
    extensions_map = {".json": "application/json", ".zip": "application/zip"}

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


def _certify(folder: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(private)
