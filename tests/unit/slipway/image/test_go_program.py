"""Programs in Go are built once, from what belongs to the project or from a module whose sum is known."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.image import artifact
from slipway.image.artifact import Kitchen
from slipway.image.go_program import Module, Source
from slipway.tools.git.git import Git
from slipway.tools.toolchain import Toolchain
from tests.unit.slipway.projects import project as described

COMPILER = """#!/bin/sh
[ "$1" != list ] || { echo main "$PWD"; exit; }
while [ "$1" != -o ]; do shift; done
echo built >>"${0%/*}/compiled"
ls >"$2"
"""
"""What it makes is a list of what it was given."""
APP = Source("app", ".", "-X main.version={version}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose compiler notes in `compiled` what it does."""
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "app" / "main.go").write_text("package main")
    (root / ".gitignore").write_text("compiled")
    (root / "go").write_text(COMPILER)
    (root / "go").chmod(0o755)
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_a_binary_is_built_once_and_only_those_used_last_are_kept(project: Path, tmp_path: Path) -> None:
    cache, git = tmp_path / "cache", Git(project)

    def built(version: str) -> Path:
        return APP.make(Kitchen(git, cache, lambda: project / "go", {}, print), version, "c")

    def compiled() -> int:
        return len((project / "compiled").read_text().splitlines())

    first = built("v1")
    for number in range(2, artifact.KEPT + 2):
        assert built("v1") == first
        built(f"v{number}")
    assert compiled() == artifact.KEPT + 1
    assert first.exists() and len(list(cache.iterdir())) == artifact.KEPT
    built("v2")
    assert compiled() == artifact.KEPT + 2


def test_a_file_that_git_ignores_is_not_compiled_in(project: Path, tmp_path: Path) -> None:
    (project / ".gitignore").write_text("compiled\n*_local.go\nvendor/\n")
    (project / "app" / "debug_local.go").write_text("package main\n\nfunc init() { panic(1) }")
    (project / "app" / "vendor").mkdir()
    (project / "app" / "vendor" / "modules.txt").write_text("")
    (project / "app" / "new.go").write_text("package main")  # makes the version a dirty one, and is compiled in
    kitchen = Kitchen(Git(project), tmp_path / "cache", lambda: project / "go", {}, print)
    built = APP.make(kitchen, "v1", "c")
    assert built.read_text().split() == ["main.go", "new.go"]
    assert sorted(path.name for path in built.parent.iterdir()) == ["app"]


GO = """package {name}

import "fmt"

var version, commit string

func main() {{ fmt.Println("{name}", version, commit) }}
"""
FILES = {
    "go.mod": "module shop\n\ngo 1.21\n",
    "cmd/server/main.go": GO.format(name="main"),
    "cmd/worker/main.go": GO.format(name="main"),
    "lib/lib.go": "package lib\n",
    "tools/go.mod": "module tools\n\ngo 1.21\n",
    "tools/main.go": GO.format(name="main"),
    "terraform/environments/local.tfvars.json": "{}",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository that is a Go module with two programs, with another module inside."""
    root = tmp_path / "shop"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def source(root: Path, package: str, **other: str) -> Source:
    return Source.of(described(root, app={"package": package, **other}))


@pytest.mark.parametrize(
    ("package", "module", "inside"),
    [("./cmd/server", ".", "./cmd/server"), ("./tools", "tools", "."), (".", ".", "."), ("./lib", ".", "./lib")],
)
def test_the_module_is_the_nearest_one_above(shop: Path, package: str, module: str, inside: str) -> None:
    found = source(shop, package)
    assert (found.module, found.package) == (module, inside)


def test_a_release_is_no_change_of_a_program_that_is_the_whole_project(shop: Path) -> None:
    git, paths = Git(shop), source(shop, "./cmd/server").paths
    assert {str(file.relative_to(shop)) for file in git.files(*paths)} == FILES.keys() - {
        "terraform/environments/local.tfvars.json"
    }
    assert source(shop, "./tools").paths == ("tools",)


def test_what_is_in_no_module_is_refused(shop: Path, tmp_path: Path) -> None:
    (shop / "go.mod").unlink()
    (tmp_path / "go.mod").write_text("module somebody-elses\n")
    with pytest.raises(PipelineError, match=r"app\.package is \./lib, which is in no Go module"):
        source(shop, "./lib")
    with pytest.raises(PipelineError, match=r"app\.package is \./cmd/api, and there is no such folder") as refused:
        source(shop, "./cmd/api")
    assert "[app] package" in refused.value.hint


def test_one_of_several_programs_is_built_with_its_own_stamps(shop: Path, tmp_path: Path) -> None:
    ours = Toolchain(Path(__file__).parents[4], tmp_path / "tools")
    env = {**ours.environment("go"), "GOCACHE": str(Path.home() / ".cache/go-build"), "HOME": str(Path.home())}

    def build(package: str, **other: str) -> Path:
        kitchen = Kitchen(Git(shop), tmp_path / "cache", ours.go, env, print)
        return source(shop, package, **other).make(kitchen, "v7", "abc")

    assert subprocess.check_output([build("./cmd/server")], text=True).split() == ["main", "v7", "abc"]
    stamped = build("./cmd/worker", ldflags="-X main.commit={commit}-{version}")
    assert subprocess.check_output([stamped], text=True).split() == ["main", "abc-v7"]
    assert subprocess.check_output([build("./tools", ldflags="")], text=True).split() == ["main"]
    with pytest.raises(PipelineError, match=r"app\.package is \./lib, which is the package lib and no prog") as refused:
        build("./lib")
    assert "There are: ./cmd/server, ./cmd/worker." in refused.value.hint
    with pytest.raises(PipelineError, match=r"app\.package is \./terraform, where Go finds no package"):
        build("./terraform")
    (shop / "cmd/server/main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(PipelineError, match=r"The program in \./cmd/server does not compile") as refused:
        build("./cmd/server")
    assert "undefined" in refused.value.hint


def proxy(folder: Path, version: str, text: str) -> None:
    """A module proxy in a folder, as `GOPROXY=file://…` reads it, with one version of a module more."""
    prefix, place = f"example.com/shop@{version}", folder / "example.com/shop/@v"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{version}.info").write_text(f'{{"Version": "{version}"}}')
    (place / f"{version}.mod").write_text("module example.com/shop\n\ngo 1.21\n")
    with zipfile.ZipFile(place / f"{version}.zip", "w") as archive:
        archive.writestr(f"{prefix}/go.mod", "module example.com/shop\n\ngo 1.21\n")
        archive.writestr(f"{prefix}/cmd/server/main.go", text)


def test_a_module_at_a_version_is_built_when_its_sum_is_known(tmp_path: Path) -> None:
    ours = Toolchain(Path(__file__).parents[4], tmp_path / "tools")
    proxy(tmp_path / "proxy", "v1.0.0", GO.format(name="main"))
    env = {
        **ours.environment("go"),
        **{"GOPROXY": f"file://{tmp_path}/proxy", "GONOSUMDB": "*", "GOFLAGS": "-modcacherw"},
        **{"GOMODCACHE": str(tmp_path / "modules"), "GOCACHE": str(Path.home() / ".cache/go-build")},
        "HOME": str(tmp_path),
    }
    kitchen = Kitchen(Git(tmp_path), tmp_path / "cache", ours.go, env, print)

    def build(sums: dict[str, str], version: str = "v1.0.0") -> Path:
        app = {"module": "example.com/shop@{version}", "package": "./cmd/server", "sums": sums}
        return Module.of(described(tmp_path, app=app)).make(kitchen, version, "abc")

    with pytest.raises(PipelineError, match=r"slipway\.toml has no sum of version v1\.0\.0") as unknown:
        build({})
    (sum_,) = re.findall(r'"v1\.0\.0" = "(h1:[^"]+)"', unknown.value.hint)
    assert subprocess.check_output([build({"v1.0.0": sum_})], text=True).split() == ["main", "v1.0.0", "abc"]
    with pytest.raises(PipelineError, match="it is not what it was"):
        build({"v1.0.0": f"h1:{'A' * 43}="})
    with pytest.raises(PipelineError, match=r"The module example\.com/shop@v2\.0\.0 cannot be had"):
        build({}, "v2.0.0")
