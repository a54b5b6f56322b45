"""HashiCorp Vault, through hvac: secrets that are kept (KV v2) and database users that are made and removed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from slipway.config import refuse_unsendable
from slipway.errors import PipelineError
from slipway.redaction import learn

T = TypeVar("T")

_TIMEOUT = 30
"""Seconds for one answer; a database user takes a connection to the cluster."""


@dataclass(frozen=True)
class Lease:
    """A database user that Vault made. ``expires`` is in UTC."""

    id: str
    user: str
    password: str = field(repr=False)
    expires: datetime


class Vault:
    """One Vault server and a token for it. Every method raises PipelineError when Vault does not do as asked."""

    def __init__(self, address: str, token: str, *, namespace: str | None = None) -> None:
        import hvac

        learn(token)
        self.address = address
        self._client = hvac.Client(url=address, token=token, namespace=namespace, timeout=_TIMEOUT)
        self._client.session.trust_env = False  # no proxy and no .netrc; VAULT_CACERT is read by hvac itself

    @classmethod
    def connect(cls, address: str, environ: Mapping[str, str]) -> Vault:
        """Log in as the environment says, with the variables of Vault's own command line.

        VAULT_ROLE_ID and VAULT_SECRET_ID (AppRole), else VAULT_TOKEN, else the file ~/.vault-token.
        """
        address = (address or environ.get("VAULT_ADDR", "")).rstrip("/")
        try:
            where = urlsplit(address)
        except ValueError:
            where = urlsplit("")
        if where.scheme not in {"http", "https"} or not where.hostname:
            raise PipelineError("Vault's address is not known.", "secrets.vault.address in slipway.toml, or VAULT_ADDR")
        if where.scheme == "http" and where.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise PipelineError(f"{address} would get the token unencrypted.", "Give Vault's address as https://…")
        namespace = environ.get("VAULT_NAMESPACE") or None
        refuse_unsendable("VAULT_NAMESPACE", namespace or "")
        role, secret = environ.get("VAULT_ROLE_ID"), environ.get("VAULT_SECRET_ID")
        if role and secret:
            learn(secret)
            vault = cls(address, "", namespace=namespace)
            vault._ask("log in", lambda client: client.auth.approle.login(role, secret))
            return vault
        token = environ.get("VAULT_TOKEN") or _token_file(environ)
        refuse_unsendable("VAULT_TOKEN" if environ.get("VAULT_TOKEN") else "~/.vault-token", token)
        if not token:
            hint = "VAULT_TOKEN, VAULT_ROLE_ID with VAULT_SECRET_ID, or vault login"
            raise PipelineError(f"There is no way to log in to Vault at {address}.", hint)
        return cls(address, token, namespace=namespace)

    def read(self, mount: str, path: str) -> dict[str, object]:
        """The fields of a KV v2 secret, as JSON has them."""
        answer = self._ask(
            f"read {mount}/{path}",
            lambda client: client.secrets.kv.v2.read_secret_version(
                path, mount_point=mount, raise_on_deleted_version=True
            ),
        )
        return dict(answer["data"]["data"])

    def database_credential(self, mount: str, role: str) -> Lease:
        """A new database user. It ends with its lease or with the token that asked, whichever is first."""
        asked = datetime.now(UTC)
        where = f"{mount}/creds/{role}"
        answer = self._ask(where, lambda client: client.secrets.database.generate_credentials(role, mount_point=mount))
        seconds = [int(answer["lease_duration"])]
        token = self._ask("look up the token", lambda client: client.auth.token.lookup_self())["data"]
        if token["ttl"] and not token.get("period"):  # one without an end says 0; a periodic one is renewed
            seconds.append(int(token["ttl"]))
        data = answer["data"]
        return Lease(answer["lease_id"], data["username"], data["password"], asked + timedelta(seconds=min(seconds)))

    def revoke(self, lease: str) -> None:
        """End a lease now: Vault removes the database user."""
        self._ask("revoke a lease", lambda client: client.sys.revoke_lease(lease))

    def _ask(self, what: str, question: Callable[[Any], T]) -> T:
        from hvac import exceptions

        try:
            return question(self._client)
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            hint = "Has the token expired, and does its policy allow this? vault token lookup"
            raise PipelineError(f"Vault at {self.address} denies it: {what}.", hint) from error
        except exceptions.InvalidPath as error:
            raise PipelineError(f"Vault at {self.address} has nothing there: {what}.", "vault kv put …") from error
        except exceptions.VaultDown as error:
            sealed = "sealed" in _reasons(error)
            message = f"Vault at {self.address} {'is sealed' if sealed else 'is not available'}."
            raise PipelineError(message, "vault operator unseal" if sealed else _reasons(error)) from error
        except exceptions.VaultError as error:
            raise PipelineError(f"Vault at {self.address} could not do it: {what}.", _reasons(error)) from error
        except requests.RequestException as error:
            hint = str(error.__cause__ or error)
            raise PipelineError(f"Vault at {self.address} does not answer.", hint) from error


def _reasons(error: Exception) -> str:
    return " ".join("; ".join(getattr(error, "errors", None) or [str(error.args[0] or "")]).split())[:500]


def _token_file(environ: Mapping[str, str]) -> str:
    path = Path(environ.get("HOME") or os.path.expanduser("~")) / ".vault-token"
    try:
        return path.read_text(errors="surrogateescape").strip()
    except OSError:
        return ""
