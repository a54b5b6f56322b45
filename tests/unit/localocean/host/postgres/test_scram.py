"""Passwords as PostgreSQL keeps them."""

from __future__ import annotations

import base64
import hmac

from localocean.host.postgres.scram import verifier


def test_a_password_is_kept_as_postgresql_would() -> None:
    """With the example of RFC 7677, section 3: what the server proves follows from what is kept."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r={nonce[:20]},r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    kept = verifier("pencil", base64.b64decode(salt))
    assert kept.startswith(f"SCRAM-SHA-256$4096:{salt}$")
    proof = hmac.new(base64.b64decode(kept.rpartition(":")[2]), said.encode(), "sha256").digest()
    assert base64.b64encode(proof) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
