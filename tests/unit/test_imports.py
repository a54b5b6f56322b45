"""Imports point one way, and each wrapper that is a wall is imported in one file."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A room may import from those that stand before it, from itself, and from what its package shares.
SLIPWAY = (
    *("tools", "environment", "runs", "image", "verification", "traffic"),
    *("graph", "database", "release", "reports", "cleanup", "scaffold", "verbs"),
)
# room -> the rooms of the same package that it may import from, beside itself
ROOMS = {
    **{f"slipway.{room}": {f"slipway.{below}" for below in SLIPWAY[:at]} for at, room in enumerate(SLIPWAY)},
    "localocean.api": {"localocean.engine", "localocean.store"},
    "localocean.engine": {"localocean.store", "localocean.storage", "localocean.network", "localocean.host"},
    "localocean.store": set[str](),
    "localocean.storage": {"localocean.host"},
    "localocean.network": {"localocean.host"},
    "localocean.host": set[str](),
}
MOST_FILES = 12
"""In a room, and in each folder in it."""
# What is no room of its own: shared values that import nothing of the package, save one another.
SHARED = {
    *(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "slipway").glob("[a-z]*.py")),
    "localocean.certificates",
    "localocean.config",
    "localocean.host.errors",
}
WALLS = ("digitalocean", "hvac", "packerpy", "paramiko", "psycopg", "python_terraform")


def modules(package: str) -> Iterator[tuple[str, set[str]]]:
    """The name of each module of a package, with the full names of all that it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), imports_of(path)


def imports_of(path: Path) -> set[str]:
    """Everything that a file imports, also within its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, package: str) -> bool:
    """Whether a module or name lies in a package."""
    return name == package or name.startswith(f"{package}.")


def room_of(module: str) -> str:
    """The room that a module lies in; '' for the top level of its package and for what is shared."""
    if any(within(module, shared) for shared in SHARED):
        return ""
    return next((room for room in ROOMS if within(module, room)), "")


@pytest.mark.parametrize("package, other", [("slipway", "localocean"), ("localocean", "slipway")])
def test_the_two_products_share_nothing_but_an_address(package: str, other: str) -> None:
    for module, imported in modules(package):
        assert not [name for name in imported if within(name, other)], module


@pytest.mark.parametrize("package", ["slipway", "localocean"])
def test_rooms_import_only_what_lies_below_them(package: str) -> None:
    wrong = []
    for module, imported in modules(package):
        room = room_of(module)
        if not room:
            continue
        allowed = ROOMS[room] | {room}
        for name in (name for name in imported if within(name, package)):
            shared = any(within(name, one) for one in SHARED)
            if not shared and not any(within(name, one) for one in allowed):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("package", ["slipway", "localocean"])
def test_what_all_rooms_share_imports_no_room(package: str) -> None:
    for module, imported in modules(package):
        if any(within(module, shared) for shared in SHARED):
            inside = {name for name in imported if within(name, package)}
            assert all(any(within(name, shared) for shared in SHARED) for name in inside), module


def test_the_api_asks_the_engine_for_everything() -> None:
    for path in (ROOT / "localocean/api").rglob("*.py"):
        used = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not used & {"store", "machinery"}, path


@pytest.mark.parametrize("package", ["slipway", "localocean"])
def test_only_verbs_know_invoke(package: str) -> None:
    knowing = [module for module, imported in modules(package) if any(within(n, "invoke") for n in imported)]
    assert [module for module in knowing if not within(module, "slipway.verbs")] == []


def test_a_room_is_seen_at_a_glance() -> None:
    folders = [ROOT / "slipway", *(path for path in (ROOT / "slipway").rglob("*") if path.is_dir())]
    counted = {path: len([file for file in path.glob("*.py") if not file.name.startswith("__")]) for path in folders}
    assert {path: count for path, count in counted.items() if count > MOST_FILES} == {}


def test_every_folder_of_slipway_is_a_room_that_the_order_knows() -> None:
    found = {path.parent.name for path in (ROOT / "slipway").glob("*/__init__.py")}
    assert found == set(SLIPWAY)


def test_the_table_of_contents_has_no_logic() -> None:
    assert len((ROOT / "tasks.py").read_text().splitlines()) < 60


def test_the_local_cloud_by_itself_is_installed_with_all_that_it_imports() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    installed = {each.split(">=")[0] for each in declared}
    imported = {name.split(".")[0] for _, names in modules("localocean") for name in names}
    foreign = imported - sys.stdlib_module_names - {"localocean"}
    assert {"pydantic" if name == "pydantic_core" else name for name in foreign} == installed


def test_only_one_module_of_the_local_cloud_starts_programs() -> None:
    starting = {m for m, imported in modules("localocean") if any(within(n, "subprocess") for n in imported)}
    assert starting <= {"localocean.host.run"}


def test_each_asked_for_wrapper_is_imported_in_one_file_of_tools() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module, imported in modules("slipway"):
        for wall in WALLS:
            if any(within(name, wall) for name in imported):
                users[wall].add(module)
    for wall, found in users.items():
        assert len(found) == 1 and all(within(one, "slipway.tools") for one in found), (wall, found)
