"""What is released, whatever it is: named by its contents, packed as root's, and for the machines that droplets are."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.image import artifact

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "run").write_text("#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o777)
    (root / "style.css").write_text("body {}")
    (root / "empty").mkdir()
    (root / "python").symlink_to("bin/run")
    return root


def test_each_change_in_a_folder_changes_its_digest(folder: Path) -> None:
    found = {artifact.digest_of(folder)}
    (folder / "style.css").write_text("body { }")
    found.add(artifact.digest_of(folder))
    (folder / "bin" / "run").chmod(0o666)
    found.add(artifact.digest_of(folder))
    (folder / "python").unlink()
    (folder / "python").symlink_to("bin/other")
    found.add(artifact.digest_of(folder))
    (folder / "empty").rmdir()
    found.add(artifact.digest_of(folder))
    assert len(found) == 5


def test_what_is_packed_is_roots_and_nobody_else_may_write_to_it(folder: Path, tmp_path: Path) -> None:
    first = artifact.pack(folder, tmp_path / "one.tar").read_bytes()
    (folder / "style.css").touch()
    assert artifact.pack(folder, tmp_path / "two.tar").read_bytes() == first
    with tarfile.open(tmp_path / "one.tar") as archive:
        found = {entry.name: (oct(entry.mode), entry.uid, entry.linkname) for entry in archive}
    assert found == {
        "bin": ("0o755", 0, ""),
        "bin/run": ("0o755", 0, ""),
        "empty": ("0o755", 0, ""),
        "python": ("0o755", 0, "bin/run"),
        "style.css": ("0o644", 0, ""),
    }


def test_a_program_is_packed_by_its_own_name(tmp_path: Path) -> None:
    program = tmp_path / "made-up-name"
    program.write_bytes(ELF)
    program.chmod(0o755)
    with tarfile.open(artifact.pack(program, tmp_path / "one.tar")) as archive:
        assert archive.getnames() == ["app"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (ELF + b"\xb7\0", "is for arm64"),
        (ELF + b"\x03\0", "is for 386"),
        (b"\xcf\xfa\xed\xfe" + b"\0" * 16, "is for macOS"),
        (b"MZ" + b"\0" * 18, "is for Windows"),
        (b"\x1f\x8b\x08" + b"\0" * 20, "is no program at all"),
        (b"", "is no program at all"),
    ],
)
def test_what_no_droplet_can_run_is_refused(tmp_path: Path, head: bytes, says: str) -> None:
    program = tmp_path / "app"
    program.write_bytes(head)
    with pytest.raises(PipelineError, match=says) as refused:
        artifact.refuse_foreign(program, "the address")
    assert "linux/amd64" in refused.value.message and "slipway.toml" in refused.value.hint


@pytest.mark.parametrize("head", [ELF + b"\x3e\0", b"#!/bin/sh\n"])
def test_what_droplets_can_run_is_taken(tmp_path: Path, head: bytes) -> None:
    program = tmp_path / "app"
    program.write_bytes(head)
    artifact.refuse_foreign(program, "the address")


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError), artifact.cached(tmp_path, "key") as (made, draft):
        assert draft is not None
        draft.mkdir()
        (draft / "half").touch()
        raise ValueError
    assert not made.exists() and list((tmp_path / "key").iterdir()) == []
