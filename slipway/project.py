"""What `slipway.toml` may say, and the project that it describes.

`docs/slipway.schema.json` describes the same for editors; `python -m devtools.schema` writes it from here.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from slipway.contract import Contract, Port
from slipway.contract import Path as ContractPath
from slipway.data import Malformed, Matching, OneOf, Table, Within, checked, expected
from slipway.durations import MILLISECONDS, milliseconds
from slipway.errors import PipelineError
from slipway.names import SLUG

FILE = "slipway.toml"
OURS = {"APP_DATABASE_URL", "APP_IMAGE", "APP_RELEASE"}
"""Variables that the pipeline itself gives the app."""
SYSTEMD = {
    *("CREDENTIALS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"),
    *("MAINPID", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC"),
}
"""Variables that systemd gives a service, and that an environment file would overwrite."""
OF_IMAGE = ("port", "version", "commit")
DATABASE = ("database_url", "database_host", "database_port", "database_name", "database_user", "database_password")
OF_RELEASE = ("url", "release", *DATABASE)
"""What a value of [app.settings] may name in braces: what an image knows, and what only a release does."""
VARIABLE = r"[A-Z][A-Z0-9_]{0,99}"
EVERYBODY = "0.0.0.0/0"
"""What the word "everybody" stands for among the trusted sources."""
_WIDEST = 8
"""The shortest prefix of a range that may be trusted without that word."""

LOOSENED = {
    "DevicePolicy": "auto",
    "LockPersonality": "no",
    "MemoryDenyWriteExecute": "no",
    "PrivateDevices": "no",
    "PrivateIPC": "no",
    "PrivateTmp": "no",
    "ProcSubset": "all",
    "ProtectHome": "no",
    "ProtectHostname": "no",
    "ProtectKernelTunables": "no",
    "ProtectProc": "default",
    "RestrictAddressFamilies": "",
    "RestrictNamespaces": "no",
    "RestrictRealtime": "no",
    "SystemCallArchitectures": "",
    "SystemCallFilter": "",
}
"""Protections of the app's unit that a project may give up, and what they are then."""

Slug = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "a slug such as s-1vcpu-1gb")]
Seconds = Annotated[float, Within(0.001, 3600, "seconds")]
Duration = Annotated[str, Matching(MILLISECONDS, "a duration such as 500ms, 2s or 1m")]
Place = Annotated[str, Matching(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", "a path such as secret")]


def _variable(value: str) -> str:
    if value in OURS:
        raise ValueError("slipway itself sets this variable for each release")
    if value in SYSTEMD:
        raise ValueError("systemd itself sets this variable")
    return value


Variable = Annotated[str, Matching(VARIABLE, "the name of a variable such as APP_API_KEY"), AfterValidator(_variable)]


def _placeholders(*known: str) -> AfterValidator:
    """For a text whose braces stand around nothing but these names."""

    def held(value: str) -> str:
        braces = re.findall(r"\{[^{}]*\}?|\}", value)
        if unknown := [found for found in braces if found[1:-1] not in known]:
            there = " and ".join(", ".join(f"{{{name}}}" for name in known).rsplit(", ", 1))
            raise ValueError(f"{unknown[0]} stands for nothing; there are {there}")
        return value

    return AfterValidator(held)


def _is_of_release(value: str) -> bool:
    return any(f"{{{name}}}" in value for name in OF_RELEASE)


def _trusted(value: Any) -> tuple[str, str]:
    if value == "everybody":
        return "ip_addr", EVERYBODY
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if colon and kind in {"tag", "droplet"} and name:
        return kind, name
    try:
        ipaddress.IPv4Network(value if isinstance(value, str) else "")
    except ValueError:
        words = 'an address, a range, a tag or a droplet: "203.0.113.7", "203.0.113.0/24", "tag:ops", "droplet:42"'
        raise expected(words) from None
    return "ip_addr", value


def _refuse_the_open(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    """Refuse ranges that, each or together, open a database to a good part of the internet without the word for it."""
    sources = tuple(sorted(parse(value)))
    ranges = ipaddress.collapse_addresses(ipaddress.IPv4Network(value) for kind, value in sources if kind == "ip_addr")
    for each in ranges if "everybody" not in value else ():
        if each.prefixlen < _WIDEST:
            raise ValueError(
                f"it would open the database to {each.num_addresses:,} addresses ({each}). Name the addresses that need"
                ' it; trusted_sources = ["everybody"] opens it to all'
            )
    return sources


Trusted = Annotated[tuple[str, str], BeforeValidator(_trusted), WithJsonSchema({"type": "string"})]


@dataclass(frozen=True, kw_only=True)
class Identity(Table):
    """Who the project is."""

    name: Annotated[
        str, Matching(SLUG, 'small letters, digits and single dashes, beginning with a letter, such as "shop"')
    ]
    """A part of every name and tag that the project has in an account. It stays."""


@dataclass(frozen=True, kw_only=True)
class AppSettings(Table):
    """What is released, and how it is run and asked.

    It comes from one of four places: a Go package of this project (`package`), a Go module at a version (`module`), an
    address (`url`), or what a command leaves in a folder (`build` and `folder`).
    """

    package: Annotated[
        str, Matching(r"\.(?:/(?!\.)[A-Za-z0-9._~+-]+)*", "a folder of this project such as ./cmd/server")
    ] = "."
    """The folder of the main package, in this project or in the module."""
    module: Annotated[str, Matching(r"([A-Za-z0-9._~/-]+@\{version\})?", "such as example.com/shop/v2@{version}")] = ""
    """A Go module at the version that is built."""
    ldflags: Annotated[str, _placeholders("version", "commit")] = "-X main.version={version} -X main.commit={commit}"
    """What Go's linker is told beside `-s -w`; {version} and {commit} are those of the image."""
    url: Annotated[
        str, Matching(r"(https?://[^\s\"]+)?", "an address such as https://example.com/releases/{version}/app")
    ] = ""
    """Where a program or an archive (.tar.gz, .tar.xz, .tar.bz2, .tar, .zip) of the version is published."""
    build: str = ""
    """A command for sh, run in a copy of this project; VERSION and COMMIT are in its environment."""
    folder: Annotated[str, Matching(r"([A-Za-z0-9_][A-Za-z0-9._/-]*)?", "a folder such as dist")] = ""
    """What that command leaves, which becomes /opt/app."""
    sums: Mapping[
        str, Annotated[str, Matching(r"[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=", "a SHA-256, or a sum of Go's")]
    ] = field(default_factory=dict)
    """What the address (SHA-256) or the module (Go's sum) has to have, by version."""
    command: Annotated[str, Matching(r"/[^\x00-\x1f]*", "a command with a whole path such as /opt/app/app serve")] = (
        "/opt/app/app"
    )
    """What runs on a droplet, as systemd's ExecStart has it. A program alone is /opt/app/app."""
    unit: Literal["exec", "notify"] = "exec"
    """Whether it tells systemd that it is ready (sd_notify), or is just started."""
    starts_bare: bool = True
    """Whether it starts without what a release brings (a database, secrets), so that the bake can try it."""
    packages: Annotated[
        tuple[Annotated[str, Matching(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")], ...], Strict(False)
    ] = ()
    """Debian packages that it needs."""
    scripts: Annotated[
        tuple[Annotated[str, Matching(r"(?!/|.*\.\.)[^\s]+", "a script of this project such as ops/fonts.sh")], ...],
        Strict(False),
    ] = ()
    """Scripts of this project that the bake runs as root, one after the other, when the app is in its place."""
    writable: Annotated[
        tuple[Annotated[str, Matching(r"/(?:var|srv)/[A-Za-z0-9._/-]+", "a folder such as /var/lib/shop")], ...],
        Strict(False),
    ] = ()
    """Folders that it may write to. What is in them ends with the droplet."""
    loosen: Mapping[Annotated[str, OneOf(*LOOSENED)], Annotated[str, Matching(r".*\S.*", "the reason")]] = field(
        default_factory=dict
    )
    """Protections of systemd's that it cannot live with, each with the reason."""
    port: Port = 8080
    """Where it listens. Users meet the front, at port 80."""
    health: ContractPath = ""
    """The path that answers with 200 when the app is ready, and with 503 when it is not. Without it a new release only
    has to answer at all."""
    version: ContractPath = ""
    """The path that answers with JSON whose field `version` is the version."""
    settings: Mapping[Variable, Annotated[str, _placeholders(*OF_IMAGE, *OF_RELEASE)]] = field(
        default_factory=lambda: {"PORT": "{port}"}
    )
    """Variables that every release has. {port}, {version} and {commit} stand for those of the image, {url} for where
    users arrive, {release} for the release's name, {database_url} for the database, and {database_host},
    {database_port}, {database_name}, {database_user} and {database_password} for its parts."""

    @property
    def fixed(self) -> dict[str, str]:
        """The variables that an image has."""
        return {name: value for name, value in self.settings.items() if not _is_of_release(value)}

    @property
    def templates(self) -> dict[str, str]:
        """The variables of which only a release knows the values."""
        return {name: value for name, value in self.settings.items() if _is_of_release(value)}

    def __post_init__(self) -> None:
        given = [name for name in ("module", "url", "build") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"it has {' and '.join(given)}, and the app can come from one place only")
        if bool(self.build) != bool(self.folder):
            raise ValueError("build and folder belong together: the command, and the folder that it leaves")


@dataclass(frozen=True, kw_only=True)
class FrontSettings(Table):
    """What stands before the app on every droplet."""

    enabled: bool = True
    """Whether there is one. Without it the app itself says which release answers: by the header `slipway-release`, or
    by the field `release` of the JSON that it answers at `version`."""


@dataclass(frozen=True, kw_only=True)
class ImageSettings(Table):
    """What every image is made from."""

    base: Slug
    """The public image that every image of the project begins with."""
    deadline: Annotated[float, Within(10, 86_400, "seconds")] = 1800
    """Seconds that a bake may take."""


@dataclass(frozen=True, kw_only=True)
class DropletSettings(Table):
    """What a droplet is, unless a release says otherwise."""

    region: Annotated[str, Matching(r"[a-z]{3}[0-9]", "a region such as fra1")]
    """Where the droplets, the database and the floating IP are."""
    size: Slug
    """The size of a droplet of the first release, and of one whose command names another."""


@dataclass(frozen=True, kw_only=True)
class VerificationSettings(Table):
    """What a new droplet has to prove."""

    deadline: Annotated[float, Within(1, 3600, "seconds")]
    """Seconds that a new droplet has to become what it should be."""


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(Table):
    """The environment's PostgreSQL cluster. Without this table the app has none."""

    version: Annotated[str, Matching(r"[1-9][0-9]?", 'a major version such as "15"')]
    """PostgreSQL's major version."""
    size: Slug
    """The size of each node."""
    nodes: Annotated[int, Within(1, 3, "a whole number")]
    """How many nodes it has."""
    trusted_sources: Annotated[
        tuple[Trusted, ...], Strict(False), Field(max_length=100), WrapValidator(_refuse_the_open)
    ] = ()
    """Who may ask it beside the app's own droplets; in code pairs of type and value, as the API has them."""
    migration_timeout: Seconds = 60
    """Seconds that one migration may take."""
    lock_timeout: Seconds = 5
    """Seconds that a migration waits for a lock on a table."""


@dataclass(frozen=True, kw_only=True)
class VaultSettings(Table):
    """Where in Vault an environment's secrets are."""

    address: Annotated[
        str,
        Matching(r"(?:https?://[A-Za-z0-9.\[\]:-]+(?:/\S*)?)?", "an address such as https://vault.example.com:8200"),
    ] = ""
    """Vault's address; where it is empty, VAULT_ADDR has it."""
    mount: Place = "secret"
    """The KV v2 engine that has the secrets."""
    path: Annotated[
        str,
        Matching(
            r"(?:[A-Za-z0-9._-]|\{project\}|\{environment\}|(?<=.)/(?=.))+",
            "a path such as slipway/{project}/{environment}",
        ),
    ] = "slipway/{project}/{environment}"
    """The one secret that has them all."""
    database_mount: Place = "database"
    """The database engine that hands out the app's database credentials."""
    database_role: Annotated[str, Matching(r"[A-Za-z0-9._-]*", "the name of a role")] = ""
    """The role of that engine; where it is empty, slipway makes the database's users itself."""


@dataclass(frozen=True, kw_only=True)
class SecretSettings(Table):
    """The app's secrets, and the one source that has their values."""

    names: Annotated[tuple[Variable, ...], Strict(False), Field(max_length=100)] = ()
    """The environment variables that are secrets."""
    source: Literal["environment", "file", "vault"] = "environment"
    """Where the values come from."""
    vault: VaultSettings = VaultSettings()
    """Where in Vault they are, when the source is vault."""


@dataclass(frozen=True, kw_only=True)
class RetentionSettings(Table):
    """What `reap` and `prune` keep."""

    images: Annotated[int, Within(1, 1000, "a whole number")] = 5
    """Images that are kept beside those that git, a droplet or a standby refers to."""


@dataclass(frozen=True, kw_only=True)
class StateSettings(Table):
    """How OpenTofu's state is kept."""

    encryption: Literal["on", "off"] = "on"
    """Whether the state is encrypted."""


@dataclass(frozen=True, kw_only=True)
class LedgerSettings(Table):
    """Where the record of runs goes."""

    remote: Annotated[str, Matching(r"(?!-)[^\s\x00-\x1f]*", 'a remote of git\'s such as "origin"')] = ""
    """The remote that gets it after each run; where it is empty, it stays in this checkout."""


@dataclass(frozen=True, kw_only=True)
class CutoverSettings(Table):
    """What every cutover may cost, unless a command says otherwise. What is left out has no limit."""

    max_lost: Annotated[int, Within(0, 10**9, "a whole number")] | None = None
    """Requests that may be lost while the traffic moves."""
    max_gap: Duration | None = None
    """For how long nothing may answer."""
    soak: Duration | None = None
    """For how long the new release is watched after the traffic has moved."""


@dataclass(frozen=True, kw_only=True)
class ToolchainSettings(Table):
    """Where the tools come from."""

    provider: Literal["built", "registry"] = "built"
    """Whether the DigitalOcean provider is built here or comes from a registry."""
    mirror: Annotated[str, Matching(r'(?:https://[^\s"\\$%]+)?', "an address such as https://mirror.example.com/")] = ""
    """A mirror of the registry."""


@dataclass(frozen=True)
class Limits:
    """What a cutover may cost; None and 0 ask for nothing. ``max_gap`` is in milliseconds, ``soak`` in seconds."""

    max_lost: int | None = None
    max_gap: float | None = None
    soak: float = 0

    @classmethod
    def of(cls, table: CutoverSettings) -> Limits:
        """What the table [cutover] asks for."""
        gap = None if table.max_gap is None else milliseconds(table.max_gap)
        return cls(table.max_lost, gap, milliseconds(table.soak or "0s") / 1000)

    def but(self, given: Mapping[str, Any]) -> Limits:
        """These, but for what is given in the words of the table [cutover]; raises Malformed for what is no limit."""
        others = vars(Limits.of(checked(CutoverSettings, given)))
        return replace(self, **{name: others[name] for name in given})


@dataclass(frozen=True, kw_only=True)
class ProjectFile(Table):
    """What `slipway.toml` says."""

    project: Identity
    app: AppSettings = AppSettings()
    front: FrontSettings = FrontSettings()
    image: ImageSettings
    droplet: DropletSettings
    verification: VerificationSettings
    database: DatabaseSettings | None = None
    secrets: SecretSettings = SecretSettings()
    cutover: CutoverSettings = CutoverSettings()
    retention: RetentionSettings = RetentionSettings()
    state: StateSettings = StateSettings()
    ledger: LedgerSettings = LedgerSettings()
    toolchain: ToolchainSettings = ToolchainSettings()


@dataclass(frozen=True, kw_only=True)
class Project(ProjectFile):
    """The checkout at ``root`` and what its `slipway.toml` says."""

    root: Path

    @classmethod
    def load(cls, root: Path) -> Project:
        """Read `slipway.toml`; raises PipelineError with everything that is wrong with it."""
        data = _read(root / FILE)
        try:
            return cls.of(root, data)
        except Malformed as error:
            raise _refusal(error, root) from error

    @classmethod
    def of(cls, root: Path, data: Mapping[str, Any]) -> Project:
        """The project whose file says this; raises Malformed with everything that is wrong with it."""
        return cls(root=root, **vars(checked(ProjectFile, data)))

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @property
    def work(self) -> Path:
        """Where everything is kept that is not in git."""
        return self.root / ".slipway"

    @property
    def contract(self) -> Contract:
        """What an image that is baked now promises."""
        app = self.app
        return Contract(front=self.front.enabled, port=app.port, health=app.health, version=app.version)

    @property
    def limits(self) -> Limits:
        """What every cutover may cost, unless a command says otherwise."""
        return Limits.of(self.cutover)


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


def _refusal(error: Malformed, root: Path) -> PipelineError:
    """The error of a wrong file; where it lacks the project's name, with the line to add."""
    problems = [f"{path} {reason}{'' if reason.endswith('?') else '.'}" for path, reason in error.problems]
    hint = "docs/slipway.schema.json describes every setting; git diff slipway.toml shows what you changed."
    if any(path in ("project", "project.name") and why.startswith("is missing") for path, why in error.problems):
        words = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).lstrip("-0123456789")[:12].strip("-")
        hint = (
            "Add the project's name, which is part of every name in the account and which no other project of it has:"
            f'\n[project]\nname = "{words or "app"}"'
        )
    if len(problems) == 1:
        return PipelineError(f"{FILE}: {problems[0]}", hint)
    return PipelineError(f"{FILE} has {len(problems)} mistakes.", "\n".join([*problems, hint]))
