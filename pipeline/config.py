"""What is wanted, frozen: the project's file, the chosen environment and the one cloud it lives on.

Nothing else in the pipeline knows which cloud it is on: it gets an endpoint and a token.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import PipelineError
from pipeline.names import Names, is_slug

DIGITALOCEAN = "https://api.digitalocean.com"
LOCAL = "local"
_KNOWN = {
    "project": {"name"},
    "image": {"base", "deadline"},
    "droplet": {"region", "size"},
    "verification": {"deadline"},
    "database": {"version", "size", "nodes", "trusted_sources", "migration_timeout", "lock_timeout"},
    "retention": {"images"},
    "state": {"encryption"},
    "secrets": {"names", "source", "vault"},
    "ledger": {"remote"},
    "cutover": {"max_lost", "max_gap", "soak"},
}
_VAULT = {"address", "mount", "path", "database_mount", "database_role"}
SOURCES = ("environment", "file", "vault")
OURS = {"APP_DATABASE_URL", "APP_IMAGE", "APP_RELEASE"}
"""Variables that the pipeline itself gives the app."""
VARIABLE = r"[A-Z][A-Z0-9_]{0,99}"


@dataclass(frozen=True)
class DatabaseSettings:
    """The environment's PostgreSQL cluster, and the patience with a migration of it (both times in seconds).

    ``trusted_sources`` are pairs of type and value, as the API has them, beside the app's own droplets.
    """

    version: str
    size: str
    nodes: int
    trusted_sources: Sequence[tuple[str, str]] = ()
    migration_timeout: float = 60
    lock_timeout: float = 5

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> DatabaseSettings:
        """Read the table [database]; raises PipelineError for what is of no use in it."""
        tables = {"database": data}
        sources = data.get("trusted_sources", [])
        if not isinstance(sources, list) or not all(isinstance(each, str) for each in sources):
            raise PipelineError("slipway.toml has no valid database.trusted_sources.", _SOURCES_HINT)
        times = {name: data.get(name, default) for name, default in _PATIENCE.items()}
        for name, seconds in times.items():
            if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds <= 3600:
                raise PipelineError(f"slipway.toml has no valid database.{name}.", "Seconds, at most 3600.")
        return cls(
            version=_setting(tables, "database", "version", str),
            size=_setting(tables, "database", "size", str),
            nodes=_setting(tables, "database", "nodes", int),
            trusted_sources=tuple(sorted(_trusted_source(each) for each in sources)),
            **times,
        )


_PATIENCE = {"migration_timeout": 60.0, "lock_timeout": 5.0}
_SOURCES_HINT = (
    'Addresses, ranges, tags and droplets, as in ["203.0.113.7", "203.0.113.0/24", "tag:ops", "droplet:42"].'
)


def _trusted_source(text: str) -> tuple[str, str]:
    kind, colon, value = text.partition(":")
    if colon and kind in {"tag", "droplet"} and value:
        return kind, value
    try:
        ipaddress.IPv4Network(text)
    except ValueError as error:
        message = f"slipway.toml has no valid database.trusted_sources: {text}."
        raise PipelineError(message, _SOURCES_HINT) from error
    return "ip_addr", text


@dataclass(frozen=True)
class VaultSettings:
    """Where in Vault an environment's secrets are: the KV v2 engine at ``mount``, and one secret of it at ``path``.

    ``database_role``, where it is not empty, is the role of the database engine at ``database_mount`` that hands out
    the app's database credentials. An empty ``address`` means VAULT_ADDR.
    """

    address: str = ""
    mount: str = "secret"
    path: str = "slipway/{project}/{environment}"
    database_mount: str = "database"
    database_role: str = ""


@dataclass(frozen=True)
class SecretSettings:
    """The names of the app's secrets, environment variables all, and the one source that has them."""

    names: Sequence[str] = ()
    source: str = "environment"
    vault: VaultSettings = VaultSettings()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> SecretSettings:
        """Read the table [secrets]; raises PipelineError for what is of no use in it."""
        names, source, vault = data.get("names", []), data.get("source", "environment"), data.get("vault", {})
        if not isinstance(names, list) or not all(isinstance(n, str) and re.fullmatch(VARIABLE, n) for n in names):
            raise PipelineError("slipway.toml has no valid secrets.names.", 'Variables\' names, as in ["APP_API_KEY"].')
        if taken := sorted(OURS & set(names)):
            raise PipelineError(f"secrets.names has {', '.join(taken)}, which the pipeline itself provides.")
        if source not in SOURCES:
            raise PipelineError("slipway.toml has no valid secrets.source.", f"Known: {', '.join(SOURCES)}.")
        if not isinstance(vault, dict) or not all(isinstance(value, str) for value in vault.values()):
            raise PipelineError("slipway.toml has no valid secrets.vault.", "A table of texts.")
        if unknown := sorted(set(vault) - _VAULT):
            known = f"Known: {', '.join(sorted(_VAULT))}."
            raise PipelineError(f"slipway.toml has an unknown setting: secrets.vault.{unknown[0]}.", known)
        return cls(tuple(names), source, VaultSettings(**vault))


@dataclass(frozen=True)
class CutoverSettings:
    """What every cutover may cost, unless a command says otherwise; None and 0 ask for nothing.

    ``max_gap`` is in milliseconds, ``soak`` in seconds.
    """

    max_lost: int | None = None
    max_gap: float | None = None
    soak: float = 0

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> CutoverSettings:
        """Read the table [cutover]; raises PipelineError for what is of no use in it."""
        lost, gap, soak = data.get("max_lost"), data.get("max_gap"), data.get("soak")
        if lost is not None and (not isinstance(lost, int) or isinstance(lost, bool) or lost < 0):
            raise PipelineError("slipway.toml has no valid cutover.max_lost.", "A number of requests, such as 0.")
        return cls(lost, None if gap is None else milliseconds(gap), 0 if soak is None else milliseconds(soak) / 1000)

    def but(self, given: Mapping[str, Any]) -> CutoverSettings:
        """These, but for what is given in the words of the table."""
        parsed = self.parse(given)
        return replace(self, **{name: getattr(parsed, name) for name in given})


def milliseconds(text: object) -> float:
    """A duration such as 500ms, 2s or 1m, in milliseconds; raises PipelineError for anything else."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)", text) if isinstance(text, str) else None
    if not match:
        raise PipelineError(f"{ascii(text)} is not a duration.", "A number and ms, s or m, such as 500ms.")
    return float(match[1]) * {"ms": 1, "s": 1000, "m": 60_000}[match[2]]


@dataclass(frozen=True)
class Project:
    """The checkout and what `slipway.toml` says of it; ``database`` may be left out.

    ``name`` is part of every name that something of the project has in an account. ``deadline`` is a verification's,
    ``bake_deadline`` a bake's, in seconds; ``keep_images`` is how many images are kept, those that are needed not
    counted.
    """

    root: Path
    name: str
    base_image: str
    region: str
    size: str
    deadline: float
    secrets: SecretSettings = SecretSettings()
    database: DatabaseSettings | None = None
    encrypt_state: bool = True
    ledger_remote: str = ""
    cutover: CutoverSettings = CutoverSettings()
    bake_deadline: float = 1800
    keep_images: int = 5

    @classmethod
    def load(cls, root: Path) -> Project:
        """Read `slipway.toml`; raises PipelineError for a missing, broken or unknown setting."""
        path = root / "slipway.toml"
        try:
            data = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PipelineError(f"{path.name} cannot be read: {error}.", f"git checkout {path.name}") from error
        for table, settings in data.items():
            for name in settings if isinstance(settings, dict) else [""]:
                if name not in _KNOWN.get(table, set()):
                    raise PipelineError(f"{path.name} has an unknown setting: {table}.{name}.", _known_settings())
        return cls(
            root=root,
            name=_name(data, root),
            base_image=_setting(data, "image", "base", str),
            region=_setting(data, "droplet", "region", str),
            size=_setting(data, "droplet", "size", str),
            deadline=float(_setting(data, "verification", "deadline", (int, float))),
            secrets=SecretSettings.parse(data.get("secrets", {})),
            database=DatabaseSettings.parse(data["database"]) if "database" in data else None,
            encrypt_state=_encrypt_state(data.get("state", {}).get("encryption", "on")),
            ledger_remote=_ledger_remote(data.get("ledger", {}).get("remote", "")),
            cutover=CutoverSettings.parse(data.get("cutover", {})),
            bake_deadline=float(_number(data, "image", "deadline", cls.bake_deadline, least=10)),
            keep_images=int(_number(data, "retention", "images", cls.keep_images, least=1)),
        )

    @property
    def work(self) -> Path:
        """Where everything is kept that is not in git."""
        return self.root / ".slipway"


def _name(data: Mapping[str, Any], root: Path) -> str:
    """The project's name. Without one it is refused, since a folder's name differs from clone to clone."""
    name = data.get("project", {}).get("name")
    if name is None:
        words = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).lstrip("-0123456789")[:12].strip("-")
        raise PipelineError(
            "slipway.toml has no project.name, which is part of every name in the account.",
            "Add it to slipway.toml, a name that no other project of the account has:\n"
            f'[project]\nname = "{words or "app"}"',
        )
    if not isinstance(name, str) or not is_slug(name):
        raise PipelineError(
            "slipway.toml has no valid project.name.",
            'Small letters, digits and single dashes, beginning with a letter, such as "shop".',
        )
    return name


def _ledger_remote(value: object) -> str:
    if not isinstance(value, str) or value.startswith("-"):
        raise PipelineError("slipway.toml has no valid ledger.remote.", 'A remote of git\'s, such as "origin".')
    return value


def _number(data: Mapping[str, Any], table: str, name: str, default: float, *, least: float) -> float:
    value = data.get(table, {}).get(name, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < least:
        raise PipelineError(f"slipway.toml has no valid {table}.{name}.", f"A number, at least {least:g}.")
    return value


def _encrypt_state(value: object) -> bool:
    if value not in {"on", "off"}:
        raise PipelineError("slipway.toml has no valid state.encryption.", 'It is "on" or "off".')
    return value == "on"


def _known_settings() -> str:
    return "Known: " + ", ".join(f"{table}.{name}" for table, names in _KNOWN.items() for name in sorted(names)) + "."


def _setting(data: Mapping[str, Any], table: str, name: str, kind: type | tuple[type, ...]) -> Any:
    value = data.get(table, {}).get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise PipelineError(f"slipway.toml has no valid {table}.{name}.", "git diff slipway.toml")
    return value


@dataclass(frozen=True)
class Cloud:
    """One DigitalOcean API: its address (without /v2) and the token for it."""

    name: str
    endpoint: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """The same endpoint in the spelling of each client: Packer and Terraform, python-digitalocean."""
        return {
            "DIGITALOCEAN_API_URL": self.endpoint,
            "DIGITALOCEAN_END_POINT": f"{self.endpoint}/v2/",
            "DIGITALOCEAN_TOKEN": self.token,
            "DIGITALOCEAN_ACCESS_TOKEN": self.token,
        }


@dataclass(frozen=True)
class Settings:
    """One environment of the project on its cloud."""

    project: Project
    environment: str
    cloud: Cloud

    @property
    def work(self) -> Path:
        """The environment's own folder for state, keys, locks and evidence."""
        return self.project.work / self.environment

    @property
    def reference_path(self) -> Path:
        """The tracked file that says what is released."""
        return reference_path(self.project.root, self.environment)

    @property
    def names(self) -> Names:
        """How everything of the environment is called."""
        return Names(self.project.name, self.environment)

    @property
    def cluster(self) -> str:
        """The name of the environment's database cluster."""
        return self.names.cluster

    @property
    def tag(self) -> str:
        """The tag of the environment's droplets."""
        return self.names.tag


def reference_path(root: Path, environment: str) -> Path:
    """The reference file of an environment."""
    return root / "terraform" / "environments" / f"{environment}.tfvars.json"


def choose_environment(root: Path, environ: Mapping[str, str], asked: str | None) -> str:
    """The environment asked for, else `production` with a token and `local` without.

    Raises PipelineError when there is no such environment.
    """
    name = (LOCAL if _is_local(environ) else "production") if asked is None else asked
    if not is_slug(name) or not reference_path(root, name).exists():
        folder = root / "terraform" / "environments"
        known = sorted(path.name.removesuffix(".tfvars.json") for path in folder.glob("*.tfvars.json"))
        raise PipelineError(
            f"There is no environment {name!r}; known are {', '.join(known)}.",
            "A new one is a new file: cp terraform/environments/{production,NAME}.tfvars.json, emptied.",
        )
    return name


def _is_local(environ: Mapping[str, str]) -> bool:
    loopback = urlsplit(environ.get("DIGITALOCEAN_API_URL", "")).hostname in {"127.0.0.1", "localhost", "::1"}
    return loopback or not environ.get("DIGITALOCEAN_TOKEN")


def choose_cloud(environment: str, environ: Mapping[str, str], local_cloud: Callable[[], Cloud]) -> Cloud:
    """`local` and `local-…` live on the local cloud, which `local_cloud` starts; the others on DigitalOcean.

    Raises PipelineError when an environment of DigitalOcean's is asked for without a token.
    """
    if environment == LOCAL or environment.startswith(f"{LOCAL}-"):
        return local_cloud()
    token = environ.get("DIGITALOCEAN_TOKEN", "")
    if not token:
        raise PipelineError(
            f"The environment {environment!r} lives on DigitalOcean, and DIGITALOCEAN_TOKEN is not set.",
            "export DIGITALOCEAN_TOKEN=…, or leave --environment out to use the local cloud.",
        )
    return Cloud("digitalocean", environ.get("DIGITALOCEAN_API_URL", DIGITALOCEAN).rstrip("/"), token)
