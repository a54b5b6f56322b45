"""Unit tests stand where their modules do: `test_<module>.py` or `test_<module>_<topic>.py`, in the room's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("slipway", "localocean", "devtools")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_file_of_tests_is_named_after_a_module(package: str) -> None:
    folder = ROOT / "tests" / "unit" / package
    files = sorted(folder.rglob("test_*.py"))
    assert files
    assert [str(file.relative_to(ROOT)) for file in files if not _has_module(file, folder, ROOT / package)] == []


def _has_module(file: Path, tests: Path, package: Path) -> bool:
    subject = file.stem.removeprefix("test_")
    modules = {module.stem for module in (package / file.parent.relative_to(tests)).glob("*.py")}
    return any(subject == module or subject.startswith(f"{module}_") for module in modules)
