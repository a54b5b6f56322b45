"""Imports point one way, and each wrapper that is a wall is imported in one file."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# room -> the rooms of the same package that it may import from, beside itself and its package's top level
ROOMS = {
    "pipeline.tools": set[str](),
    "localcloud.api": {"localcloud.engine"},
    "localcloud.engine": {"localcloud.storage", "localcloud.network", "localcloud.host"},
    "localcloud.storage": {"localcloud.host"},
    "localcloud.network": {"localcloud.host"},
    "localcloud.host": set[str](),
}
# What is no room of its own: shared values that import nothing of the package, save one another.
SHARED = {
    "pipeline.clock",
    "pipeline.errors",
    "pipeline.retries",
    "pipeline.progress",
    "pipeline.config",
    "pipeline.names",
    "pipeline.redaction",
    "pipeline.shape",
    "pipeline.text",
    "localcloud.certificates",
    "localcloud.config",
    "localcloud.host.errors",
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


@pytest.mark.parametrize("package, other", [("pipeline", "localcloud"), ("localcloud", "pipeline")])
def test_the_two_products_share_nothing_but_an_address(package: str, other: str) -> None:
    for module, imported in modules(package):
        assert not [name for name in imported if within(name, other)], module


@pytest.mark.parametrize("package", ["pipeline", "localcloud"])
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


@pytest.mark.parametrize("package", ["pipeline", "localcloud"])
def test_what_all_rooms_share_imports_no_room(package: str) -> None:
    for module, imported in modules(package):
        if any(within(module, shared) for shared in SHARED):
            inside = {name for name in imported if within(name, package)}
            assert all(any(within(name, shared) for shared in SHARED) for name in inside), module


@pytest.mark.parametrize("package", ["pipeline", "localcloud"])
def test_only_tasks_know_invoke(package: str) -> None:
    assert [module for module, imported in modules(package) if any(within(n, "invoke") for n in imported)] == []


def test_only_one_module_of_the_local_cloud_starts_programs() -> None:
    starting = {m for m, imported in modules("localcloud") if any(within(n, "subprocess") for n in imported)}
    assert starting <= {"localcloud.host.run"}


def test_each_asked_for_wrapper_is_imported_in_one_file_of_tools() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module, imported in modules("pipeline"):
        for wall in WALLS:
            if any(within(name, wall) for name in imported):
                users[wall].add(module)
    for wall, found in users.items():
        assert len(found) == 1 and all(within(one, "pipeline.tools") for one in found), (wall, found)
