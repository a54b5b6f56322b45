"""Passwords as PostgreSQL keeps them, so that the server never gets to see one (RFC 5802, RFC 7677)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
"""PostgreSQL's own number (libpq, scram-common.h)."""


def verifier(password: str, salt: bytes | None = None) -> str:
    """What goes into ``pg_authid.rolpassword`` for a password of ASCII characters."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    texts = [base64.b64encode(value).decode() for value in (salt, stored, _hmac(salted, b"Server Key"))]
    return f"SCRAM-SHA-256${ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, "sha256").digest()
