"""The program that is released: the same inputs give the same bytes, and what was built is not built again."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slipway.config import ENVIRONMENTS
from slipway.errors import PipelineError
from slipway.project import Project
from slipway.tools.git.git import Git
from slipway.tools.programs.process import run

KEPT = 5
"""Binaries that stay, those used last. Each has some 25 MB, and takes a second to make again."""
_NAMED = 6
_NAME_ANOTHER = "Name the folder of its main package in slipway.toml, [app] package, such as ./cmd/server."


def digest_files(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the names (relative to `root`), the executable bits and the contents of files, in their order."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        executable = file.stat().st_mode & 0o100
        digest.update(f"{file.relative_to(root)}\0{executable}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def export(git: Git, target: Path, *paths: str) -> Path:
    """Copy the files below paths that belong to the project, tracked or new but not ignored; returns ``target``."""
    for file in git.files(*paths):
        copy = target / file.relative_to(git.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)
    return target


@dataclass(frozen=True)
class Source:
    """A program in Go: the folder of its module in the project, and that of its package in the module."""

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
        return cls(str(where), "." if inside == Path() else f"./{inside}", project.app.ldflags)

    @property
    def named(self) -> str:
        """Its folder in the project, as `slipway.toml` names it."""
        return f"./{Path(self.module, self.package)}"

    @property
    def paths(self) -> Sequence[str]:
        """What git calls what it is made of; where the module is the whole project, that is not what was released."""
        return (self.module,) if self.module != "." else (".", f":(exclude){ENVIRONMENTS}")


def binary(
    git: Git, source: Source, cache: Path, version: str, commit: str, go: Callable[[], Path], env: Mapping[str, str]
) -> Path:
    """Build the program with version and commit stamped in by the linker; `go` gives the
    compiler when it is needed, and `env` its environment.

    It is built from a copy of what belongs to the project: a file that git ignores is not compiled in.
    Raises PipelineError with the compiler's words when it does not build, and for a package that is no program.
    """
    stamps = source.ldflags.replace("{version}", version).replace("{commit}", commit)
    made_of = digest_files(git.files(*source.paths), git.root)
    key = hashlib.sha256("\0".join((made_of, source.package, stamps)).encode()).hexdigest()[:16]
    built = cache / key / "app"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        temporary = built.with_suffix(".new")
        options = ("-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -buildid= {stamps}", "-o", str(temporary))
        for_droplets = {**env, "GOOS": "linux", "GOARCH": "amd64"}
        with tempfile.TemporaryDirectory(prefix="source-", dir=built.parent) as folder:
            copy = export(git, Path(folder), *source.paths) / source.module
            compiler = str(go())
            _refuse_a_library(compiler, copy, source, for_droplets)
            with _told(f"The program in {source.named} does not compile."):
                run([compiler, "build", *options, source.package], cwd=copy, env=for_droplets)
        temporary.replace(built)
        _forget_older(cache)
    built.touch()
    return built


def _refuse_a_library(go: str, module: Path, source: Source, env: Mapping[str, str]) -> None:
    """The compiler would make an archive of a package that is no program, and say nothing."""

    def listed(pattern: str) -> list[tuple[str, Path]]:
        said = run([go, "list", "-f", "{{.Name}} {{.Dir}}", pattern], cwd=module, env=env)
        pairs = (line.split(maxsplit=1) for line in said.splitlines())
        return [(name, Path(folder)) for name, folder in pairs]

    with _told(f"app.package is {source.named}, where Go finds no package for Linux."):
        ((name, _),) = listed(source.package)
    if name == "main":
        return
    mains = [Path(source.module, folder.relative_to(module)) for name, folder in listed("./...") if name == "main"]
    there = ", ".join(f"./{each}" for each in sorted(mains)[:_NAMED]) or "none"
    raise PipelineError(
        f"app.package is {source.named}, which is the package {name} and no program.",
        f"Name a folder whose package is main in slipway.toml, [app] package. There are: {there}.",
    )


@contextmanager
def _told(sentence: str) -> Iterator[None]:
    """Failures of Go's as this sentence, with Go's own words below it."""
    try:
        yield
    except PipelineError as error:
        raise PipelineError(sentence, error.hint) from error


def _forget_older(cache: Path) -> None:
    with suppress(FileNotFoundError):  # another build forgets at the same time
        latest = sorted(cache.glob("*/app"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in latest[KEPT:]:
            shutil.rmtree(old.parent)
