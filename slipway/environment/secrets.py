"""The app's secrets at their sources: the environment, a file that is its owner's alone, or Vault.

A release names its secrets and their fingerprints; the values go from here to the droplet that is made
and nowhere else.
"""

from __future__ import annotations

import codecs
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn, Protocol

from slipway.config import Settings
from slipway.environment import boot
from slipway.environment.keys import DeployKey
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.project import VARIABLE, SecretSettings, VaultSettings
from slipway.redaction import learn
from slipway.tools.programs.environment import ignored
from slipway.tools.vault import Vault


class Secret:
    """A value that nothing shows: `reveal` is the one way to it, and it is neither printed, copied nor dumped.

    ``expires`` is the moment after which it is of no use; None when it has no end.
    """

    __slots__ = ("_value", "expires")

    def __init__(self, value: str, expires: datetime | None = None) -> None:
        learn(value)
        self._value = value
        self.expires = expires

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied and not dumped")


@dataclass(frozen=True)
class Credential:
    """A database user that a source made for one release; ``lease`` is the source's name for it."""

    user: str
    password: Secret
    lease: str


class CredentialIssuer(Protocol):
    """What makes database users for a time."""

    def issue(self) -> Credential:
        """A new database user, made now; raises PipelineError when there can be none."""

    def revoke(self, credential: Credential) -> None:
        """End a credential that nobody will use before it ends by itself."""


class SecretSource(ABC):
    """Where secrets come from; ``where`` is how a sentence names it."""

    where: str
    issuer: CredentialIssuer | None = None
    """What hands out the app's database users, where it is not Terraform that makes them."""

    @abstractmethod
    def get(self, name: str) -> Secret | None:
        """A secret's value; None when there is none. Raises PipelineError when the source cannot be read."""


class Environment(SecretSource):
    """The pipeline's own environment variables, as a CI system sets them."""

    where = "the environment"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str) -> Secret | None:
        """The variable of that name."""
        value = self._environ.get(name)
        return Secret(value) if value else None


class File(SecretSource):
    """Lines NAME=value in UTF-8; # begins a comment.

    Blanks at the end of a line are not part of the value, nor is one pair of quotes around it: quotes keep blanks.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self.where = os.path.relpath(path, root)

    def get(self, name: str) -> Secret | None:
        """The line of that name."""
        value = self._read().get(name)
        return Secret(value) if value else None

    def _read(self) -> dict[str, str]:
        try:
            with self._path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
                    mode = f"{facts.st_mode & 0o777:04o} of user {facts.st_uid}"
                    raise PipelineError(
                        f"{self.where} holds secrets and is not its owner's alone: its mode is {mode}.",
                        f"chmod 600 {self.where}, as the user who deploys; change what others may have read.",
                    )
                return _values(file.read(), self.where)
        except FileNotFoundError as error:
            raise PipelineError(f"There is no {self.where}.", f"install -m 600 /dev/null {self.where}") from error
        except OSError as error:
            raise PipelineError(f"{self.where} cannot be read: {error.strerror}.") from error


def _values(data: bytes, where: str) -> dict[str, str]:
    values: dict[str, str] = {}
    # By bytes: Python ends lines at characters that may be part of a value. Windows begins files with a BOM.
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        try:
            text = line.strip(b" \t\r").decode()
        except UnicodeDecodeError:
            raise PipelineError(f"Line {number} of {where} is not UTF-8.", boot.BINARY) from None
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(VARIABLE, name):
            raise PipelineError(f"Line {number} of {where} is not NAME=value.")  # the line itself may be a secret
        if name in values:
            raise PipelineError(f"Line {number} of {where} gives {name} a second time.", "Remove one of the two lines.")
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        values[name] = value[1:-1] if quoted else value
    return values


class VaultSecret(SecretSource):
    """One secret of a KV v2 engine, whose fields are the app's secrets."""

    def __init__(self, vault: Vault, mount: str, path: str, issuer: CredentialIssuer | None = None) -> None:
        self._vault = vault
        self._mount = mount
        self._path = path
        self._fields: Mapping[str, object] | None = None
        self.where = f"{mount}/{path} in Vault"
        self.issuer = issuer

    def get(self, name: str) -> Secret | None:
        """The field of that name; Vault is asked once."""
        if self._fields is None:
            self._fields = self._vault.read(self._mount, self._path)
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str | None):
            raise PipelineError(
                f"The field {name} of {self.where} is neither a text nor a whole number.",
                f"vault kv patch writes a text: vault kv patch … {name}=…",
            )
        return Secret(value) if value else None


class VaultDatabase:
    """A role of the database engine: users that Vault makes in the cluster, and removes when their leases end."""

    def __init__(self, vault: Vault, mount: str, role: str) -> None:
        self._vault = vault
        self._mount = mount
        self._role = role

    def issue(self) -> Credential:
        """A new user with a password of its own."""
        lease = self._vault.database_credential(self._mount, self._role)
        return Credential(lease.user, Secret(lease.password, lease.expires), lease.id)

    def revoke(self, credential: Credential) -> None:
        """Vault removes the user at once."""
        self._vault.revoke(credential.lease)


def source(settings: Settings, environ: Mapping[str, str]) -> SecretSource:
    """The source that `slipway.toml` names; nothing is asked of it yet."""
    wanted: SecretSettings = settings.project.secrets
    if wanted.source == "file":
        return File(settings.work / "secrets.env", settings.project.root)
    if wanted.source == "vault":
        return _vault(wanted.vault, environ, settings.names)
    return Environment({**ignored(), **environ})


def _vault(wanted: VaultSettings, environ: Mapping[str, str], names: Names) -> VaultSecret:
    vault = Vault.connect(wanted.address, environ)
    role, path = (
        text.replace("{project}", names.project).replace("{environment}", names.environment)
        for text in (wanted.database_role, wanted.path)
    )
    issuer = VaultDatabase(vault, wanted.database_mount, role) if role else None
    return VaultSecret(vault, wanted.mount, path, issuer)


def collect(source: SecretSource, names: Iterable[str]) -> dict[str, Secret]:
    """The values of all the names; raises PipelineError naming those that are missing or of no use."""
    found = {name: source.get(name) for name in names}
    if missing := [name for name, secret in found.items() if secret is None]:
        raise PipelineError(
            f"{source.where[0].upper()}{source.where[1:]} does not have {', '.join(missing)}.",
            "slipway.toml says under [secrets] what the app needs, and where it comes from.",
        )
    values = {name: secret for name, secret in found.items() if secret is not None}
    for name, secret in values.items():
        boot.refuse_unfit(f"The secret {name}", secret.reveal())
    return values


def fingerprints(values: Mapping[str, Secret], key: DeployKey) -> dict[str, str]:
    """What a release says of its secrets: whether they changed, and nothing of what they are."""
    return {name: key.fingerprint(name, secret.reveal()) for name, secret in sorted(values.items())}
