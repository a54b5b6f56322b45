"""A program in Go, of a folder of the project or of a module at a version: the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway.config import ENVIRONMENTS
from slipway.errors import PipelineError
from slipway.image.artifact import Kitchen, cached, digest_files, export, refuse_another_sum
from slipway.project import Project
from slipway.tools.programs.process import call, run

_NAMED = 6
_NAME_ANOTHER = "Name the folder of its main package in slipway.toml, [app] package, such as ./cmd/server."


@dataclass(frozen=True)
class Source:
    """A program of the project: the folder of its module, and that of its package in the module."""

    module: str
    package: str
    ldflags: str

    @classmethod
    def of(cls, project: Project) -> Source:
        """The one that `slipway.toml` names; raises PipelineError where there is none."""
        root, named = project.root, project.app.package
        folder = root / named
        if not folder.is_dir():
            raise PipelineError(f"app.package is {named}, and there is no such folder.", _NAME_ANOTHER)
        module = next((each for each in (folder, *folder.parents) if (each / "go.mod").is_file()), None)
        if module is None or not module.is_relative_to(root):
            raise PipelineError(f"app.package is {named}, which is in no Go module: there is no go.mod.", _NAME_ANOTHER)
        where, inside = module.relative_to(root), folder.relative_to(module)
        return cls(str(where), _relative(inside), project.app.ldflags)

    @property
    def named(self) -> str:
        """Its folder in the project, as `slipway.toml` names it."""
        return f"./{Path(self.module, self.package)}"

    @property
    def paths(self) -> Sequence[str]:
        """What git calls what it is made of; where the module is the whole project, that is not what was released."""
        return (self.module,) if self.module != "." else (".", f":(exclude){ENVIRONMENTS}")

    def make(self, kitchen: Kitchen, version: str, commit: str) -> Path:
        """The program, compiled from a copy of what belongs to the project: a file that git ignores is not in it."""
        git = kitchen.git
        program = _Program(self.named, Path(self.module), self.package, _stamped(self.ldflags, version, commit))
        made_of = digest_files((file, git.root) for file in git.files(*self.paths))
        return program.compiled(kitchen, made_of, lambda folder: export(git, folder, *self.paths) / self.module)


@dataclass(frozen=True)
class Module:
    """A program of a module at a version, as Go's module proxy has it; its own go.sum says what it is built with."""

    module: str
    package: str
    ldflags: str
    sums: Mapping[str, str]

    @classmethod
    def of(cls, project: Project) -> Module:
        """The one that `slipway.toml` names."""
        app = project.app
        return cls(app.module, app.package, app.ldflags, app.sums)

    @property
    def paths(self) -> Sequence[str]:
        """Nothing of the project."""
        return ()

    def make(self, kitchen: Kitchen, version: str, commit: str) -> Path:
        """The program; raises PipelineError for a version whose sum is not the one that `slipway.toml` has."""
        named = self.module.replace("{version}", version)
        found = _downloaded(kitchen, named)
        refuse_another_sum(named, version, self.sums, found["Sum"])
        package = _relative(Path(self.package))
        program = _Program(f"{named} {package}", Path(), package, _stamped(self.ldflags, version, commit))
        return program.compiled(kitchen, f"{named} {found['Sum']}", lambda folder: _copy(Path(found["Dir"]), folder))


@dataclass(frozen=True)
class _Program:
    """A package of a module, which is a folder below the project's or another one's, and what the linker is told."""

    named: str
    module: Path
    package: str
    stamps: str

    def compiled(self, kitchen: Kitchen, made_of: str, copied: Callable[[Path], Path]) -> Path:
        """The program, made from what ``copied`` puts into an empty folder.

        Raises PipelineError with the compiler's words when it does not build, and for a package that is no program.
        """
        key = hashlib.sha256("\0".join((made_of, self.package, self.stamps)).encode()).hexdigest()[:16]
        with cached(kitchen.cache, key) as (made, draft):
            if draft is not None:
                with tempfile.TemporaryDirectory(prefix="source-", dir=draft.parent) as folder:
                    self._compile(kitchen, copied(Path(folder)), draft)
        return made

    def _compile(self, kitchen: Kitchen, source: Path, target: Path) -> None:
        options = ("-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -buildid= {self.stamps}", "-o", str(target))
        env = {**kitchen.env, "GOOS": "linux", "GOARCH": "amd64"}
        compiler = str(kitchen.go())
        self._refuse_a_library(compiler, source, env)
        with _told(f"The program in {self.named} does not compile."):
            run([compiler, "build", *options, self.package], cwd=source, env=env)

    def _refuse_a_library(self, go: str, source: Path, env: Mapping[str, str]) -> None:
        """The compiler would make an archive of a package that is no program, and say nothing."""

        def listed(pattern: str) -> list[tuple[str, Path]]:
            said = run([go, "list", "-f", "{{.Name}} {{.Dir}}", pattern], cwd=source, env=env)
            pairs = (line.split(maxsplit=1) for line in said.splitlines())
            return [(name, Path(folder)) for name, folder in pairs]

        with _told(f"app.package is {self.named}, where Go finds no package for Linux."):
            ((name, _),) = listed(self.package)
        if name == "main":
            return
        mains = [self.module / folder.relative_to(source) for name, folder in listed("./...") if name == "main"]
        there = ", ".join(f"./{each}" for each in sorted(mains)[:_NAMED]) or "none"
        raise PipelineError(
            f"app.package is {self.named}, which is the package {name} and no program.",
            f"Name a folder whose package is main in slipway.toml, [app] package. There are: {there}.",
        )


def _relative(folder: Path) -> str:
    """A folder as Go wants it."""
    return "." if folder == Path() else f"./{folder}"


def _stamped(ldflags: str, version: str, commit: str) -> str:
    return ldflags.replace("{version}", version).replace("{commit}", commit)


def _downloaded(kitchen: Kitchen, named: str) -> dict[str, str]:
    """What Go says of a module at a version: its folder, and its sum by the checksum database."""
    kitchen.say(f"fetching {named}")
    said = call([str(kitchen.go()), "mod", "download", "-json", named], cwd=Path("/"), env=kitchen.env)
    try:
        found: dict[str, str] = json.loads(said.stdout)
    except ValueError:
        found = {}
    if said.returncode or not found.get("Dir"):
        raise PipelineError(f"The module {named} cannot be had.", (found.get("Error") or said.stderr).strip()[-500:])
    return found


def _copy(source: Path, folder: Path) -> Path:
    """A copy that may be written to: Go keeps modules read-only."""
    target = folder / "module"
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for each in (target, *(path for path in target.rglob("*") if path.is_dir())):
        each.chmod(0o755)
    return target


@contextmanager
def _told(sentence: str) -> Iterator[None]:
    """Failures of Go's as this sentence, with Go's own words below it."""
    try:
        yield
    except PipelineError as error:
        raise PipelineError(sentence, error.hint) from error
