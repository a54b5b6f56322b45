"""The outside tools, built once per machine from the pinned Go modules under `toolchain/`.

A tool that is found in its cache is whole (it is renamed into place when it is finished) and is what go.mod,
go.sum and the Go of the lock say (their digest is its name). Two that need a tool at once build it once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import re
import shutil
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from slipway.errors import PipelineError
from slipway.project import ToolchainSettings
from slipway.tools.files import home as home_of
from slipway.tools.programs.environment import DOWNLOADS, STATE, compose, home
from slipway.tools.programs.process import call
from slipway.tools.terraform import provider

Progress = Callable[[str], None]

_GO = {
    **{"GOENV": "off", "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on", "GOFLAGS": "-mod=readonly"},
    **{"CGO_ENABLED": "0", "GOAMD64": "v1", "GOARM64": "v8.0"},
}
"""Everything of Go's that decides what bytes come out: neither the caller's shell nor `go env -w` has a say in it."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_DISK_FULL = "no space left on device"
_NETWORK = re.compile(r"dial tcp|i/o timeout|connection re(?:fused|set)|no such host|TLS handshake|unexpected EOF")


@dataclass(frozen=True)
class Tool:
    """One module under `toolchain/`. ``takes`` tells a person how long a first build is on two cores."""

    name: str
    title: str
    version: str
    package: str
    binary: str
    takes: str
    stamp: str = ""
    tests: bool = False
    """Whether it is the tests of the package, compiled, instead of the package."""
    tags: str = ""
    shares: str = ""
    """The tool whose folder has the pins of this one too."""

    @property
    def module(self) -> str:
        """The folder under `toolchain/` that pins it."""
        return self.shares or self.name

    @property
    def label(self) -> str:
        """How it is called in messages."""
        return f"{self.title} {self.version}"


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("packer", "Packer", "1.15.1", "github.com/hashicorp/packer", "packer", "2 to 3 minutes"),
        Tool(
            name="packer-plugin-digitalocean",
            title="Packer's DigitalOcean plugin",
            version="1.4.1",
            package="github.com/digitalocean/packer-plugin-digitalocean",
            binary="packer-plugin-digitalocean",
            takes="half a minute",
            stamp="github.com/digitalocean/packer-plugin-digitalocean/version.VersionPrerelease=",
        ),
        Tool(
            name="opentofu",
            title="OpenTofu",
            version="1.12.6",
            package="github.com/opentofu/opentofu/cmd/tofu",
            binary="tofu",
            takes="1 minute",
            stamp="github.com/opentofu/opentofu/version.dev=no",
        ),
        Tool(
            name=provider.NAME,
            title="the DigitalOcean provider",
            version="2.17.1",
            package="github.com/digitalocean/terraform-provider-digitalocean",
            binary="terraform-provider-digitalocean_v2.17.1",
            takes="half a minute",
        ),
        Tool(
            name="provider-acceptance",
            title="the acceptance tests of the DigitalOcean provider",
            version="2.17.1",
            package="github.com/digitalocean/terraform-provider-digitalocean/digitalocean",
            binary="digitalocean.test",
            takes="1 minute",
            tests=True,
        ),
        Tool(
            "actionlint",
            "actionlint",
            "1.7.8",
            "github.com/rhysd/actionlint/cmd/actionlint",
            "actionlint",
            "20 seconds",
        ),
        # Vault's own `minimal` tag leaves out the plugins for other clouds' products; its database plugin for
        # PostgreSQL is then a program of its own, as Vault lets any be. Only tests need the two.
        Tool(
            name="vault",
            title="Vault",
            version="1.21.2",
            package="github.com/hashicorp/vault",
            binary="vault",
            takes="5 minutes",
            tags="minimal",
        ),
        Tool(
            name="vault-postgresql",
            title="Vault's PostgreSQL plugin",
            version="1.21.2",
            package="github.com/hashicorp/vault/plugins/database/postgresql/postgresql-database-plugin",
            binary="postgresql-database-plugin",
            takes="half a minute",
            tags="minimal",
            shares="vault",
        ),
    )
}

VAULT_TOOLS = ("vault", "vault-postgresql")
TERRAFORM_TOOLS = ("opentofu", "terraform-provider-digitalocean")
RELEASE_TOOLS = ("packer", "packer-plugin-digitalocean", *TERRAFORM_TOOLS)


@dataclass(frozen=True)
class Toolchain:
    """The tools of one checkout (``root``) in one ``cache``; ``overrides`` names somebody's own instead."""

    cache: Path
    root: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    settings: ToolchainSettings = ToolchainSettings()
    _compiling: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def from_environment(
        cls, root: Path, environ: Mapping[str, str], settings: ToolchainSettings | None = None
    ) -> Toolchain:
        """SLIPWAY_CACHE, and PACKER, TERRAFORM and TERRAFORM_PROVIDER where a user names binaries of their own."""
        cache = Path(environ.get("SLIPWAY_CACHE") or f"{home(environ)}/.cache/slipway").expanduser().absolute()
        variables = {"packer": "PACKER", "opentofu": "TERRAFORM", provider.NAME: provider.VARIABLE}
        named = {tool: environ.get(variable, "") for tool, variable in variables.items()}
        own = {tool: value for tool, value in named.items() if value}
        return cls(cache, root, own, settings or ToolchainSettings())

    def packer(self) -> Path:
        """The Packer to use; raises PipelineError when the user's own does not run."""
        return self._own("packer", "PACKER", r"Packer v\d") or self._binary("packer")

    def tofu(self) -> Path:
        """The Terraform engine to use; raises PipelineError when the user's own does not run."""
        return self._own("opentofu", "TERRAFORM", r"(?:Terraform|OpenTofu) v\d") or self._binary("opentofu")

    def encrypts(self) -> bool:
        """Whether the engine can encrypt its states: OpenTofu can, HashiCorp's Terraform cannot."""
        if "opentofu" not in self.overrides:
            return True
        said = call([str(self.tofu()), "version"], cwd=self.root, env={"CHECKPOINT_DISABLE": "1"}).stdout
        return said.startswith("OpenTofu")

    def actionlint(self) -> Path:
        """The linter of the workflows."""
        return self._binary("actionlint")

    def vault(self) -> Path:
        """The Vault that tests start."""
        return self._binary("vault")

    def vault_plugin(self) -> Path:
        """Vault's own plugin for PostgreSQL, to be registered in its catalogue."""
        return self._binary("vault-postgresql")

    def plugin(self) -> dict[str, str]:
        """Where Packer finds its plugin."""
        return {"PACKER_PLUGIN_PATH": str(self.folder("packer-plugin-digitalocean") / "plugins")}

    def provider_config(self) -> Path:
        """The CLI configuration by which the engine finds the provider; raises PipelineError for what is none."""
        if value := self.overrides.get(provider.NAME):
            return provider.own(
                value, self.cache, self.go(), (self._pinned(), TOOLS[provider.NAME].version), _platform()
            )
        if self.asks_registry:
            return provider.from_registry(self.cache, self.settings.mirror)
        return self.folder(provider.NAME) / "cli.tfrc"

    @property
    def asks_registry(self) -> bool:
        """Whether the provider comes from a registry: a binary of the user's own goes before that."""
        return self.settings.provider == "registry" and provider.NAME not in self.overrides

    @property
    def provider_lock(self) -> Path | None:
        """The lock file to which a registry's provider is held; None where none is asked."""
        return self.root / "terraform" / provider.LOCK if self.asks_registry else None

    def lock_provider(self) -> Path:
        """Choose the registry's provider anew and write the lock file; raises PipelineError where none is asked."""
        if not self.asks_registry:
            raise PipelineError(
                "The provider does not come from a registry, so that there is nothing to lock.",
                '[toolchain] provider = "registry" in slipway.toml takes it from there.',
            )
        others = [f"linux_{each}" for each in _ARCHITECTURES.values() if f"linux_{each}" != _platform()]
        env = {**compose(DOWNLOADS, STATE), **self.environment("opentofu")}
        return provider.lock(self.tofu(), env, self.root, self.settings.mirror, [_platform(), *others])

    @property
    def _modules(self) -> Path:
        """Where the Go modules of the tools are."""
        return home_of(self.root, "toolchain") / "toolchain"

    def _pinned(self) -> str:
        module = f"github.com/digitalocean/{provider.NAME}"
        text = (self._modules / provider.NAME / "go.mod").read_text()
        found = re.search(rf"^\s*{re.escape(module)} (\S+)", text, re.MULTILINE)
        return found[1] if found else ""

    def _is_elsewhere(self, name: str) -> bool:
        """Whether a tool is not built here, because a user has one or a registry gives it."""
        return name in self.overrides or (name == provider.NAME and self.asks_registry)

    def go(self) -> Path:
        """The Go of the lock; raises PipelineError when it is not installed."""
        binary = self._go_binary()
        if binary.exists():
            return binary
        raise PipelineError("Go is missing from the environment.", "Start with ./invoke, which installs it.")

    def environment(self, tool: str) -> dict[str, str]:
        """What `packer`, `opentofu` or `go` must find in its environment; other tools need nothing."""
        if tool == "packer":
            return {**self.plugin(), "CHECKPOINT_DISABLE": "1"}
        if tool == "opentofu":
            return {"TF_CLI_CONFIG_FILE": str(self.provider_config()), "CHECKPOINT_DISABLE": "1"}
        if tool == "go":
            return {**_GO, **self._module_sources()}
        return {}

    def _module_sources(self) -> dict[str, str]:
        """Where Go gets modules from, by the caller's environment and `go env -w`; all else of the latter is off."""
        names = [name for name in DOWNLOADS if name.startswith("GO")]
        go = self._go_binary()
        said = call([str(go), "env", "-json", *names], cwd=Path("/"), env=compose(DOWNLOADS)) if go.exists() else None
        found = json.loads(said.stdout) if said and said.returncode == 0 else {}
        return {**compose(DOWNLOADS), **{name: value for name, value in found.items() if value}}

    def _go_binary(self) -> Path:
        return Path(sysconfig.get_path("purelib")) / "go" / "bin" / "go"

    def folder(self, name: str) -> Path:
        """Where a tool is kept, whether it is built or not."""
        return self.cache / "tools" / name / f"{TOOLS[name].version}-{self.digest(name)}"

    def digest(self, name: str) -> str:
        """Twelve hexadecimal digits that change with anything that the built bytes depend on."""
        tool = TOOLS[name]
        module = self._modules / tool.module
        go = self.go().parent.parent / "VERSION"
        try:
            parts = [path.read_bytes() for path in (module / "go.mod", module / "go.sum", go)]
        except OSError as error:
            raise PipelineError(f"{error.filename} cannot be read.", f"git checkout {module}") from error
        texts = (tool.version, tool.package, tool.stamp, architecture(), *filter(None, [tool.tags]))
        parts += [text.encode() for text in texts]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]

    def ensure(self, names: Iterable[str], progress: Progress) -> None:
        """Build what is missing. Sources are fetched side by side, compiled one after the other.

        Raises PipelineError, which names the log, when the disk is full, and when sources cannot be fetched
        or do not compile.
        """
        missing = [name for name in names if not self._is_elsewhere(name) and not self.folder(name).exists()]
        if not missing:
            return
        self._make_cache()
        with self._lock("go", shared=True), ThreadPoolExecutor(len(missing)) as pool:
            list(pool.map(lambda name: self._obtain(name, progress), missing))
        self._drop_sources()

    def _binary(self, name: str) -> Path:
        return self.folder(name) / TOOLS[name].binary

    def _own(self, name: str, variable: str, says: str) -> Path | None:
        if not (value := self.overrides.get(name)):
            return None
        hint = f"Unset {variable} to use the one that slipway builds."
        found = shutil.which(value)
        if found is None:
            raise PipelineError(f"{variable} names {value}, which is not a program.", hint)
        if not re.search(says, call([found, "version"], cwd=self.root, env={"CHECKPOINT_DISABLE": "1"}).stdout):
            raise PipelineError(f"{variable} names {value}, which does not answer `version` as it should.", hint)
        return Path(found).absolute()

    def _make_cache(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            (self.cache / "logs").mkdir(exist_ok=True)
        except OSError as error:
            message = f"The cache {self.cache} cannot be written: {error.strerror}."
            raise PipelineError(message, "Set SLIPWAY_CACHE to a folder of yours.") from error

    @contextmanager
    def _lock(self, name: str, *, shared: bool = False) -> Iterator[None]:
        with (self.cache / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield

    def _obtain(self, name: str, progress: Progress) -> None:
        with self._lock(name):
            if (folder := self.folder(name)).exists():
                return
            folder.parent.mkdir(parents=True, exist_ok=True)
            for left_behind in folder.parent.glob(".half-*"):
                shutil.rmtree(left_behind)
            half = Path(tempfile.mkdtemp(prefix=".half-", dir=folder.parent))
            half.chmod(0o755)
            self._build(TOOLS[name], half, progress)
            self._finish(name, half, progress)
            half.rename(folder)

    def _build(self, tool: Tool, out: Path, progress: Progress) -> None:
        progress(f"fetching the sources of {tool.label} …")
        tags = ["-tags", tool.tags] if tool.tags else []
        self._go(tool, "list", "-deps", *tags, *(["-test"] if tool.tests else []), tool.package)
        if tool.name == "packer-plugin-digitalocean" and "packer" not in self.overrides:
            self._obtain("packer", progress)  # which installs it, and has compiled most of it already
        with self._compiling:
            progress(f"building {tool.label} (about {tool.takes}) …")
            start = time.monotonic()
            flags = f"-s -w -buildid= -X {tool.stamp}" if tool.stamp else "-s -w -buildid="
            target = out / tool.binary
            self._go(
                tool,
                *(["test", "-c", "-vet=off"] if tool.tests else ["build"]),
                *tags,
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                flags,
                "-o",
                str(target),
                tool.package,
            )
            progress(f"built {tool.label} in {time.monotonic() - start:.0f} s")

    def _go(self, tool: Tool, *arguments: str) -> None:
        work = self.cache / "go"
        (work / "tmp").mkdir(parents=True, exist_ok=True)
        places = {"GOMODCACHE": "mod", "GOCACHE": "build", "GOTMPDIR": "tmp"}
        env = self.environment("go") | {name: str(work / place) for name, place in places.items()}
        env |= {"GOFLAGS": "-mod=readonly -modcacherw", "GOOS": "linux", "GOARCH": architecture()}
        result = call([str(self.go()), *arguments], cwd=self._modules / tool.module, env=env)
        if result.returncode != 0:
            log = self.cache / "logs" / f"{tool.name}.log"
            log.write_text(result.stderr)
            raise _failure(tool, result.stderr, log, self.cache)

    def _finish(self, name: str, half: Path, progress: Progress) -> None:
        if name == "packer-plugin-digitalocean":
            self._install_plugin(half)
        elif name == provider.NAME:
            tool = TOOLS[name]
            provider.lay_out(half, self.folder(name), half / tool.binary, tool.version, _platform())

    def _install_plugin(self, half: Path) -> None:
        env = {"PACKER_PLUGIN_PATH": str(half / "plugins"), "CHECKPOINT_DISABLE": "1"}
        binary = half / TOOLS["packer-plugin-digitalocean"].binary
        source = "github.com/digitalocean/digitalocean"
        result = call([str(self.packer()), "plugins", "install", "--path", str(binary), source], cwd=half, env=env)
        if result.returncode != 0:
            raise PipelineError("Packer does not take its DigitalOcean plugin.", result.stderr.strip()[-500:])
        binary.unlink()

    def _drop_sources(self) -> None:
        """Remove gigabytes of sources and objects, unless they are of use to another build, now or soon."""
        if not all(self._is_elsewhere(name) or self.folder(name).exists() for name in RELEASE_TOOLS):
            return
        with (self.cache / "go.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            shutil.rmtree(self.cache / "go", ignore_errors=True)


def architecture() -> str:
    """This machine's processor in Go's spelling; raises PipelineError for one without tools."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise PipelineError(f"There are no tools for the processor {machine}.", "Use a machine of x86_64 or aarch64.")
    return _ARCHITECTURES[machine]


def _platform() -> str:
    return f"linux_{architecture()}"


def _failure(tool: Tool, output: str, log: Path, cache: Path) -> PipelineError:
    if _DISK_FULL in output:
        return PipelineError(f"The disk is full: {tool.label} could not be built.", f"Free 5 GB where {cache} is.")
    if _NETWORK.search(output):
        message = f"The sources of {tool.label} could not be fetched."
        return PipelineError(message, f"Is the network up? GOPROXY names a mirror of your own. The log: {log}")
    return PipelineError(f"{tool.label} could not be built.", f"The log: {log}")
