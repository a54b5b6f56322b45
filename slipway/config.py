"""What is wanted, frozen: the project's file, the chosen environment and the one cloud it lives on.

Nothing else in the pipeline knows which cloud it is on: it gets an endpoint and a token.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slipway import shape
from slipway.errors import PipelineError
from slipway.names import Names, is_slug

DIGITALOCEAN = "https://api.digitalocean.com"
LOCAL = "local"
SOURCES = ("environment", "file", "vault")
OURS = {"APP_DATABASE_URL", "APP_IMAGE", "APP_RELEASE"}
"""Variables that the pipeline itself gives the app."""
SYSTEMD = {
    *("CREDENTIALS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"),
    *("MAINPID", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC"),
}
"""Variables that systemd gives a service, and that an environment file would overwrite."""
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
        trusted = tuple(sorted(_trusted_source(each) for each in sources))
        if "everybody" not in sources:
            _refuse_the_open(trusted)
        return cls(
            version=_setting(tables, "database", "version", str),
            size=_setting(tables, "database", "size", str),
            nodes=_setting(tables, "database", "nodes", int),
            trusted_sources=trusted,
            **times,
        )


_PATIENCE = {"migration_timeout": 60.0, "lock_timeout": 5.0}
_SOURCES_HINT = (
    'Addresses, ranges, tags and droplets, as in ["203.0.113.7", "203.0.113.0/24", "tag:ops", "droplet:42"].'
)
EVERYBODY = "0.0.0.0/0"
"""What the word "everybody" stands for among the trusted sources."""
_WIDEST = 8
"""The shortest prefix of a range that may be trusted without that word."""


def _refuse_the_open(sources: Sequence[tuple[str, str]]) -> None:
    """Raise PipelineError when ranges, each or together, open a database to a good part of the internet unasked."""
    ranges = ipaddress.collapse_addresses(ipaddress.IPv4Network(value) for kind, value in sources if kind == "ip_addr")
    for each in ranges:
        if each.prefixlen < _WIDEST:
            raise PipelineError(
                f"database.trusted_sources would open the database to {each.num_addresses:,} addresses ({each}).",
                'Name the addresses that need it; trusted_sources = ["everybody"] opens it to all.',
            )


def _trusted_source(text: str) -> tuple[str, str]:
    if text == "everybody":
        return "ip_addr", EVERYBODY
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
        if taken := sorted(SYSTEMD & set(names)):
            raise PipelineError(f"secrets.names has {', '.join(taken)}, which systemd itself provides.")
        if source not in SOURCES:
            raise PipelineError("slipway.toml has no valid secrets.source.", f"Known: {', '.join(SOURCES)}.")
        if not isinstance(vault, dict) or not all(isinstance(value, str) for value in vault.values()):
            raise PipelineError("slipway.toml has no valid secrets.vault.", "A table of texts.")
        if unknown := sorted(set(vault) - {each.name for each in fields(VaultSettings)}):
            known = f"Known: {', '.join(each.name for each in fields(VaultSettings))}."
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
class ToolchainSettings:
    """Where the DigitalOcean provider comes from: built here, or given by a registry, or by its ``mirror``."""

    provider: str = "built"
    mirror: str = ""


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
    toolchain: ToolchainSettings = ToolchainSettings()

    @classmethod
    def load(cls, root: Path) -> Project:
        """Read `slipway.toml`; raises PipelineError with everything that is wrong with it."""
        data = _read(root / "slipway.toml")
        wrong = _shape_problems(data)
        parsed: dict[str, Any] = {}
        for name, kind in (("database", DatabaseSettings), ("secrets", SecretSettings), ("cutover", CutoverSettings)):
            if name in data and not any(problem.startswith(name) for problem in wrong):
                try:
                    parsed[name] = kind.parse(data[name])
                except PipelineError as error:
                    wrong.append(f"{error.message} {error.hint}".strip())
        project = data.get("project", {})
        if isinstance(project, dict) and "name" not in project:
            words = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).lstrip("-0123456789")[:12].strip("-")
            wrong.append(
                "slipway.toml has no project.name, which is part of every name in the account. Add it, a name that no"
                f' other project of the account has:\n[project]\nname = "{words or "app"}"'
            )
        if wrong:
            raise _wrong(wrong)
        return cls(
            root=root,
            name=data["project"]["name"],
            base_image=data["image"]["base"],
            region=data["droplet"]["region"],
            size=data["droplet"]["size"],
            deadline=float(data["verification"]["deadline"]),
            encrypt_state=data.get("state", {}).get("encryption", "on") == "on",
            ledger_remote=data.get("ledger", {}).get("remote", ""),
            bake_deadline=float(data["image"].get("deadline", cls.bake_deadline)),
            keep_images=data.get("retention", {}).get("images", cls.keep_images),
            toolchain=ToolchainSettings(**data.get("toolchain", {})),
            **parsed,
        )

    @property
    def work(self) -> Path:
        """Where everything is kept that is not in git."""
        return self.root / ".slipway"


def _name(value: Any) -> str:
    name: str = shape.text()(value)
    if not is_slug(name):
        raise shape.wrong('it is not small letters, digits and single dashes, beginning with a letter, such as "shop"')
    return name


def _duration(value: Any) -> Any:
    try:
        milliseconds(value)
    except PipelineError as error:
        raise shape.wrong(f"{error.message} {error.hint}") from error
    return value


_SLUG = shape.text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "it is not a slug such as s-1vcpu-1gb")
_REGION = shape.text(r"[a-z]{3}[0-9]", "it is not a region such as fra1")
_PLACE = shape.text(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", "it is not a path such as secret")
_VAULT_PATH = shape.text(
    r"(?:[A-Za-z0-9._-]|\{project\}|\{environment\}|(?<=.)/(?=.))+",
    "it is not a path such as slipway/{project}/{environment}",
)
_ADDRESS = shape.text(r"(?:https?://[A-Za-z0-9.\[\]:-]+(?:/\S*)?)?", "it is not an address such as https://vault:8200")
_SECONDS = shape.number(0.001, 3600)
_FILE = shape.table(
    {
        "image": shape.table({"base": _SLUG}, {"deadline": shape.number(10, 86_400)}),
        "droplet": shape.table({"region": _REGION, "size": _SLUG}),
        "verification": shape.table({"deadline": shape.number(1, 3600)}),
    },
    {
        "project": shape.table({}, {"name": _name}),
        "database": shape.table(
            {
                "version": shape.text(r"[1-9][0-9]?", 'it is not a major version such as "15"'),
                "size": _SLUG,
                "nodes": shape.whole(1, 3),
            },
            {
                "trusted_sources": shape.list_of(shape.text(), 100),
                "migration_timeout": _SECONDS,
                "lock_timeout": _SECONDS,
            },
        ),
        "toolchain": shape.table(
            {},
            {
                "provider": shape.one_of("built", "registry"),
                "mirror": shape.text(
                    r'https://[^\s"\\$%]+', "it is not an address such as https://mirror.example.com/"
                ),
            },
        ),
        "retention": shape.table({}, {"images": shape.whole(1, 1000)}),
        "state": shape.table({}, {"encryption": shape.one_of("on", "off")}),
        "secrets": shape.table(
            {},
            {
                "names": shape.list_of(
                    shape.text(VARIABLE, "it is not the name of a variable such as APP_API_KEY"), 100
                ),
                "source": shape.one_of(*SOURCES),
                "vault": shape.table(
                    {},
                    {
                        "address": _ADDRESS,
                        "mount": _PLACE,
                        "path": _VAULT_PATH,
                        "database_mount": _PLACE,
                        "database_role": shape.text(r"[A-Za-z0-9._-]*", "it is not the name of a role"),
                    },
                ),
            },
        ),
        "ledger": shape.table(
            {}, {"remote": shape.text(r"(?!-)[^\s\x00-\x1f]*", 'it is not a remote of git\'s such as "origin"')}
        ),
        "cutover": shape.table({}, {"max_lost": shape.whole(0, 1e9), "max_gap": _duration, "soak": _duration}),
    },
)
"""What `slipway.toml` may say."""


def _read(path: Path) -> dict[str, Any]:
    """What a TOML file says; a byte order mark, as some editors write it, is passed over."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PipelineError(f"{path.name} cannot be read: {error.strerror}.", f"git checkout {path.name}") from error
    try:
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise PipelineError(
            f"{path.name} is not UTF-8: line {number} has the byte 0x{data[error.start]:02x}.",
            f"If it is Latin-1: iconv -f latin1 -t utf-8 {path.name} >new && mv new {path.name}",
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PipelineError(f"{path.name} is not TOML: {error}.", f"git diff {path.name}") from error


def _shape_problems(data: dict[str, Any]) -> list[str]:
    try:
        _FILE(data)
    except shape.Malformed as error:
        return [f"{path}: {reason}" for path, reason in error.problems]
    return []


def _wrong(problems: Sequence[str]) -> PipelineError:
    if len(problems) == 1:
        first, _, rest = problems[0].partition("\n")
        said = first if first.startswith("slipway.toml") else f"slipway.toml has a wrong setting: {first}"
        return PipelineError(f"{said.rstrip('.:')}.", rest or "git diff slipway.toml")
    return PipelineError(f"slipway.toml has {len(problems)} wrong settings.", "\n".join(problems))


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


_EMPTY = '{"live": null, "releases": {}, "standby": null}'


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
            f"To make it, write this into terraform/environments/NAME.tfvars.json: {_EMPTY}",
        )
    return name


def _is_local(environ: Mapping[str, str]) -> bool:
    return is_loopback(environ.get("DIGITALOCEAN_API_URL", "")) or not environ.get("DIGITALOCEAN_TOKEN")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own, as a local cloud's is."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return False


def choose_cloud(environment: str, environ: Mapping[str, str], local_cloud: Callable[[], Cloud]) -> Cloud:
    """`local` and `local-…` live on the local cloud, which `local_cloud` starts; the others on DigitalOcean.

    Raises PipelineError when an environment of DigitalOcean's is asked for without a token, and for a token or an
    address that cannot be one.
    """
    if environment == LOCAL or environment.startswith(f"{LOCAL}-"):
        return local_cloud()
    token = environ.get("DIGITALOCEAN_TOKEN", "")
    if not token:
        raise PipelineError(
            f"The environment {environment!r} lives on DigitalOcean, and DIGITALOCEAN_TOKEN is not set.",
            "export DIGITALOCEAN_TOKEN=…, or leave --environment out to use the local cloud.",
        )
    refuse_unsendable("DIGITALOCEAN_TOKEN", token)
    return Cloud("digitalocean", _endpoint(environ.get("DIGITALOCEAN_API_URL") or DIGITALOCEAN), token)


def refuse_unsendable(name: str, token: str) -> None:
    """Raise PipelineError for a token that no HTTP header can hold; ``name`` is the variable that it comes from."""
    if not re.fullmatch("[!-~]*", token):
        raise PipelineError(
            f"{name} has a blank, the end of a line or another character that no token has.",
            "The value is not shown. Set it anew; from a file, $(cat FILE) leaves the end of the line out.",
        )


def _endpoint(url: str) -> str:
    url = url.rstrip("/")
    if not _is_address(url):
        raise PipelineError(
            f"DIGITALOCEAN_API_URL is {ascii(url)}, which is not the address of an API.", f"{DIGITALOCEAN}, without /v2"
        )
    if url.startswith("http:") and not is_loopback(url):
        raise PipelineError(f"{url} would get the token unencrypted.", "Give DIGITALOCEAN_API_URL as https://…")
    return url


def _is_address(url: str) -> bool:
    try:
        where = urlsplit(url)
    except ValueError:
        return False
    whole = re.fullmatch("https?://[!-~]+", url) and where.hostname and not where.query and not where.fragment
    return bool(whole) and not where.path.endswith("/v2")
