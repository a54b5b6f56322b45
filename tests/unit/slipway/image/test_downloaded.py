"""What others publish is taken by its sum."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.image.artifact import Kitchen
from slipway.image.downloaded import Download
from slipway.tools.git.git import Git
from tests.unit.slipway.projects import project as described
from tests.unit.slipway.sockets import says, wire

PROGRAM = b"#!/bin/sh\necho hello\n"


def tar(mode: str, *names: str) -> bytes:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(PROGRAM), 0o755
                archive.addfile(entry, io.BytesIO(PROGRAM))
        return buffer.getvalue()


def zipped(*names: str) -> bytes:
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o755 << 16
                archive.writestr(entry, PROGRAM)
        return buffer.getvalue()


def sum_of(content: bytes) -> dict[str, str]:
    return {"v1": hashlib.sha256(content).hexdigest()}


@contextmanager
def published(folder: Path, name: str, content: bytes, sums: dict[str, str], status: int = 200) -> Iterator[Path]:
    """What is made of this at an address, which is read once."""
    with wire(says(status, content)) as served:
        url = f"http://127.0.0.1:{served.port}/{{version}}/{name}"
        app = {"url": url, "sums": sums, "command": "/opt/app/app"}
        kitchen = Kitchen(Git(folder), folder / "cache", Path, {}, print)
        yield Download.of(described(folder, app=app)).make(kitchen, "v1", "")
        assert served.requests[0].startswith(f"GET /v1/{name} ".encode())


def test_a_program_is_taken_as_it_is(tmp_path: Path) -> None:
    with published(tmp_path, "app", PROGRAM, sum_of(PROGRAM)) as made:
        assert made.read_bytes() == PROGRAM and made.stat().st_mode & 0o111


def test_what_was_fetched_once_is_not_fetched_again(tmp_path: Path) -> None:
    with published(tmp_path, "app", PROGRAM, sum_of(PROGRAM)) as made:
        (kept,) = (tmp_path / "cache").iterdir()
        assert sorted(path.name for path in kept.iterdir()) == ["app"] and made.parent == kept


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("shop.tar.gz", tar("w:gz", "shop-1/bin/shop", "shop-1/README")),
        ("shop.tar.xz", tar("w:xz", "bin/shop", "README")),
        ("shop.tar?token=x", tar("w", "bin/shop", "README")),
        ("shop.zip", zipped("shop-1/bin/shop", "shop-1/README")),
    ],
)
def test_an_archive_is_unpacked_without_the_folder_that_holds_all(tmp_path: Path, name: str, content: bytes) -> None:
    with published(tmp_path, name, content, sum_of(content)) as made:
        assert sorted(path.name for path in made.iterdir()) == ["README", "bin"]
        assert (made / "bin" / "shop").stat().st_mode & 0o111


def refused(folder: Path, name: str, content: bytes, sums: dict[str, str], status: int = 200) -> PipelineError:
    with pytest.raises(PipelineError) as error, published(folder, name, content, sums, status):
        pass
    assert [path for path in (folder / "cache").rglob("*") if path.is_file()] == []
    return error.value


def test_a_sum_that_is_missing_is_told_and_one_that_differs_is_refused(tmp_path: Path) -> None:
    unknown = refused(tmp_path, "app", PROGRAM, {})
    assert "has no sum of version v1" in unknown.message
    assert f'[app.sums]: "v1" = "{sum_of(PROGRAM)["v1"]}"' in unknown.hint
    assert "it is not what it was" in refused(tmp_path, "app", PROGRAM, sum_of(b"other")).message


def test_what_is_not_published_or_no_archive_is_a_sentence(tmp_path: Path) -> None:
    assert "answers 404" in refused(tmp_path, "app", b"", {}, 404).message
    assert "is no archive" in refused(tmp_path, "shop.tar.gz", PROGRAM, sum_of(PROGRAM)).message
    assert "is no archive" in refused(tmp_path, "shop.zip", PROGRAM, sum_of(PROGRAM)).message
    outside = tar("w:gz", "../../outside")
    assert "is no archive" in refused(tmp_path, "shop.tar.gz", outside, sum_of(outside)).message
    nobody = Download("http://127.0.0.1:9/app", {})
    with pytest.raises(PipelineError, match="cannot be fetched"):
        nobody.make(Kitchen(Git(tmp_path), tmp_path / "cache", Path, {}, print), "v1", "")
