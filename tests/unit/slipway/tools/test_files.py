"""Where the files are that slipway brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.tools import files


@pytest.mark.parametrize(("name", "mark"), [("packer", "app.pkr.hcl"), ("tests/droplet", "conftest.py")])
def test_a_folder_is_the_projects_own_when_it_has_its_main_file(tmp_path: Path, name: str, mark: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    place = files.home(tmp_path, name)
    brought = files.brought(tmp_path, name)
    assert place != tmp_path and brought is not None and place / name / mark in brought
    assert not [path for path in brought if "__pycache__" in path.parts]
    (tmp_path / name / mark).touch()
    assert (files.home(tmp_path, name), files.brought(tmp_path, name)) == (tmp_path, None)
