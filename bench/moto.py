"""moto's server, the yardstick of the API: its own EC2 calls, with as many instances."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from bench.calls import Request, ask

LOCK = Path(__file__).with_name("moto.lock")
ZONES = tuple(f"us-east-1{letter}" for letter in "abcdef")
AT_ONCE = 500
IMAGE = "ami-12345678"
# It goes through all its images for each instance that is started: without them, filling takes minutes less.
SETTINGS = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    # It looks for the service in the credential's scope, and checks no signature.
    "Authorization": "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/ec2/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def server(say: Callable[[str], None]) -> Path:
    """The program, installed once into an environment of its own in the user's cache, from hashed packages."""
    cache = Path(os.environ.get("SLIPWAY_CACHE") or "~/.cache/slipway").expanduser()
    folder = cache / f"moto-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    program = folder / "bin" / "moto_server"
    if not program.exists():
        say("installing moto, once")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    return program


def call(action: str, **values: object) -> Request:
    """A call of EC2's Query API."""
    fields = {"Action": action, "Version": "2016-11-15", **{name.replace("_", "."): v for name, v in values.items()}}
    return Request("POST", "/", HEADERS, urlencode(fields))


def fill(port: int, count: int) -> list[str]:
    """Start instances, all over the zones because a subnet has no more addresses; returns some of their ids."""
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    ids: list[str] = []
    while len(ids) < count:
        number, zone = min(AT_ONCE, count - len(ids)), ZONES[len(ids) // AT_ONCE % len(ZONES)]
        order = call("RunInstances", ImageId=IMAGE, MinCount=number, MaxCount=number, Placement_AvailabilityZone=zone)
        ids += re.findall(r"<instanceId>(i-\w+)", ask(connection, order).decode())
    return ids
