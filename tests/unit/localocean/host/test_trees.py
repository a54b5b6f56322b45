"""Trees that are too deep for a recursion and whose paths are too long for a call."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localocean.config import Config
from localocean.host import trees
from localocean.host.errors import HostError
from localocean.storage.disks import Disks
from tests.support import nest

DEPTH, LONG = 5_000, "x" * 255


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory that may become too deep for pytest to remove."""
    place = tmp_path / "place"
    place.mkdir()
    yield place
    subprocess.run(["rm", "-rf", str(place)], check=True)


@pytest.mark.parametrize("name", ["d", LONG])
def test_it_is_walked_to_its_end_with_few_descriptors(place: Path, name: str) -> None:
    nest(place, DEPTH, name)
    (place / "file").touch()
    most = 0
    found = []
    for entry in trees.below(place):
        found.append((entry.name, entry.is_folder))
        if len(found) % 1000 == 0:
            most = max(most, len(os.listdir("/proc/self/fd")))
    assert found == [("file", False), *[(name, True)] * DEPTH]
    assert most < len(os.listdir("/proc/self/fd")) + 4


def test_what_a_directory_holds_comes_before_it(place: Path) -> None:
    for path in ("a/b/c", "a/d", "e"):
        (place / path).mkdir(parents=True)
    (place / "a/b/file").touch()
    found = [entry.name for entry in trees.below(place)]
    assert sorted(found) == ["a", "b", "c", "d", "e", "file"]
    assert found.index("c") < found.index("b") < found.index("a")
    assert found.index("file") < found.index("b") and found.index("d") < found.index("a")


def test_it_can_be_removed_while_it_is_walked(place: Path) -> None:
    nest(place, DEPTH, LONG)
    for entry in trees.below(place):
        os.rmdir(entry.name, dir_fd=entry.folder)
    assert list(place.iterdir()) == []


def test_links_are_not_followed(place: Path) -> None:
    (place / "in").mkdir()
    (place / "in/up").symlink_to("..")
    (place / "elsewhere").symlink_to("/")
    assert sorted(trees_of(place)) == [("elsewhere", False), ("in", True), ("up", False)]


def trees_of(place: Path) -> list[tuple[str, bool]]:
    return [(entry.name, entry.is_folder) for entry in trees.below(place)]


def test_a_directory_that_is_moved_away_ends_the_walk_and_leads_nowhere(place: Path) -> None:
    (place / "tree/in/below").mkdir(parents=True)
    (place / "tree/after").mkdir()
    (place / "other").mkdir()
    (place / "other/secret").touch()
    found = []
    for entry in trees.below(place / "tree"):
        found.append(entry.name)
        if entry.name == "below":
            (place / "tree/in").rename(place / "other/in")
    assert "secret" not in found and "in" not in found


def test_a_directory_that_vanishes_is_left_out(place: Path) -> None:
    for name in "abc":
        (place / name / "in").mkdir(parents=True)
    found: list[str] = []
    for entry in trees.below(place):
        if not found:
            for name in "abc":
                subprocess.run(["rm", "-rf", str(place / name)], check=True)
        found.append(entry.name)
    assert found[0] == "in" and len(found) == 2


@pytest.fixture
def disks(place: Path) -> Disks:
    return Disks(replace(Config.from_environment({}), state=place))


@pytest.mark.parametrize("name", ["d", LONG])
def test_a_disk_is_counted_and_removed(disks: Disks, place: Path, name: str) -> None:
    upper = place / "disks/7/upper"
    upper.mkdir(parents=True)
    nest(upper, DEPTH, name)
    assert disks.size(7) > DEPTH * 1000
    disks.delete(7)
    assert disks.known() == set()


def test_a_layer_is_counted_and_removed(disks: Disks, place: Path) -> None:
    (place / "layers/one").mkdir(parents=True)
    nest(place / "layers/one", DEPTH, LONG)
    assert disks.layer_size("one") > DEPTH * 1000
    disks.delete_layer("one")
    assert disks.layer_names() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_disk_that_is_too_deep_to_copy_is_refused_in_one_sentence_and_leaves_nothing(
    disks: Disks, place: Path
) -> None:
    upper = place / "disks/7/upper"
    upper.mkdir(parents=True)
    (upper / "file").write_text("kept")
    assert disks.snapshot(7, "before") > 0
    nest(upper, DEPTH, LONG)
    with pytest.raises(HostError, match="^Droplet 7 cannot be copied: a path on its disk is longer than") as caught:
        disks.snapshot(7, "one")
    assert len(caught.value.message) < 200
    assert disks.layer_names() == {"before"}
    assert (place / "layers/before/file").read_text() == "kept"
