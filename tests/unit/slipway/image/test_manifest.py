"""What is in an image: told by the script that the bake runs, read here."""

from __future__ import annotations

import gzip
import json
import os
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.image.manifest import Entry, Manifest, keep, kept

ROOT = Path(__file__).parents[4]
EMPTY: dict[str, Any] = {"format": 1, "image": "app-v1-0123456789ab", "files": {}, "packages": {}, "units": {}}


@pytest.fixture(scope="module")
def script() -> SimpleNamespace:
    """The script's names; it is run and not imported, which would leave compiled code beside what goes into images."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "provisioning" / "manifest.py")))


def packed(**parts: Any) -> bytes:
    return gzip.compress(json.dumps({**EMPTY, "schema": None, "settings": None, **parts}).encode(), mtime=0)


def test_files_links_and_folders_are_told_apart_and_what_is_skipped_is_not_entered(
    script: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "secret").write_text("x")
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir(mode=0o755)
    os.mkfifo(tmp_path / "fifo")
    skipped = frozenset([str(tmp_path / "run")])
    told = dict(script.files(str(tmp_path), tmp_path.stat().st_dev, skipped))
    found = {Path(path).name: Entry(*entry) for path, entry in told.items()}
    assert set(found) == {"file", "link", "folder", "fifo"}
    assert (found["file"].mode, found["file"].size) == ("-rw-r-----", 4)
    assert found["file"].content == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    assert found["link"].content == "file"
    assert found["folder"].content == found["fifo"].content == ""


def test_a_manifest_comes_back_as_it_was_written() -> None:
    schema = {"migrations": [{"version": 1, "name": "notes", "sha256": "aa"}], "latest": 1}
    settings = {"settings": [{"name": "PORT"}, {"name": "APP_MESSAGE"}]}
    files = {"/a": ["-rw-r--r--", "root:root", 1, "ab"]}
    found = Manifest.parse(packed(files=files, schema=schema, settings=settings))
    assert found.files["/a"] == Entry("-rw-r--r--", "root:root", 1, "ab")
    assert (found.migrations, found.settings) == (schema["migrations"], ["APP_MESSAGE", "PORT"])
    assert Manifest.parse(packed()).migrations is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a whole manifest"),
        (b"no gzip", "not a manifest"),
        (packed()[:-9], "not a whole manifest|not a manifest"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 20, "not a manifest"),
        (gzip.compress(b"[" * 100_000, mtime=0), "it is not JSON"),
        (gzip.compress(b"[]", mtime=0), "it should be a table"),
        (gzip.compress(b"{}", mtime=0), "image is missing"),
        (packed(format=2), "format is 2; it should be 1"),
        (packed(files={"/a": []}), "files./a.0 is missing"),
        (packed(files=[]), r"files is \[\]; it should be a table"),
        (packed(packages={"a": 1}), "packages.a is 1; it should be a text in quotes"),
        (packed(schema={"migrations": [{"version": 1}]}), "schema.migrations.0.name is missing"),
        (packed(settings={"settings": [7]}), "settings.settings.0 is 7; it should be a table"),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Manifest.parse(data)


def test_a_manifest_is_kept_under_its_image_s_name(tmp_path: Path) -> None:
    (tmp_path / "fetched").write_bytes(packed())
    keep(tmp_path / "work", "app-v1-0123456789ab", tmp_path / "fetched")
    path = kept(tmp_path / "work", "app-v1-0123456789ab")
    assert Manifest.parse(path.read_bytes()).image == "app-v1-0123456789ab"
    assert [each.name for each in path.parent.iterdir()] == ["app-v1-0123456789ab.json.gz"]
