"""A bake that is under way, one that died, and what is removed of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.errors import PipelineError
from slipway.image import bake_run
from slipway.tools.digitalocean import Droplet, Image

CLOUD = "http://cloud"


def test_a_run_is_alive_until_its_process_is_not(tmp_path: Path) -> None:
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        with bake_run.begin(tmp_path, "app", "app-v1-0123456789ab", CLOUD) as begun:
            (bake_run.folder(tmp_path, begun) / "key").write_text("secret")
            os.write(write, b"!")
            signal.pause()
        os._exit(0)
    os.read(ready, 1)
    (run,), ended = bake_run.known(tmp_path, CLOUD)
    assert ended == [] and run.image == "app-v1-0123456789ab"
    assert bake_run.known(tmp_path, "http://another") == ([], [])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert bake_run.known(tmp_path, CLOUD) == ([], [run])
    assert bake_run.folder(tmp_path, run).stat().st_mode & 0o777 == 0o700
    bake_run.forget(tmp_path, run)
    assert bake_run.known(tmp_path, CLOUD) == ([], [])
    assert list((tmp_path / "bakes").iterdir()) == []


def test_its_keys_go_when_it_fails_and_its_file_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), bake_run.begin(tmp_path, "app", "app", CLOUD) as run:
        (bake_run.folder(tmp_path, run) / "key").write_text("secret")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "bakes").iterdir()] == [f"{run.id}.json"]


def test_its_id_says_when_it_began(tmp_path: Path) -> None:
    with bake_run.begin(tmp_path, "app", "app", CLOUD) as run:
        assert bake_run.began(run.id) is not None
    assert bake_run.began("by-hand") is None


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bakes").mkdir()
    (tmp_path / "bakes" / "x.json").write_text("{")
    with pytest.raises(PipelineError, match="x.json is corrupt"):
        bake_run.known(tmp_path, CLOUD)


RUN = bake_run.BakeRun("20261121T100000Z-abcdef", "app", "app-v1-0123456789ab", CLOUD)
LABELS = "version commit digest binary provisioning template base contract settings".split()


class Cloud:
    """An account with things in it, some of which cannot be removed."""

    def __init__(self, *, finished: bool = False, refuses: str = "") -> None:
        self.gone: list[str] = []
        self.refuses = refuses
        self.labels = tuple(f"{name}:x" for name in LABELS) if finished else ("slipway",)

    @property
    def api(self) -> Any:
        return SimpleNamespace(
            droplets=lambda tag: [Droplet(1, "bake", "active", "")] if tag == RUN.tag else [],
            keys=lambda: [(5, RUN.tag), (6, "packer-somebody-else's")],
            images=lambda: [Image(7, RUN.image, "", 0.1, self.labels), Image(8, "app-v2-0123456789ab", "", 0.1, ())],
            remove=self.remove,
        )

    def remove(self, path: str) -> bool:
        if path == self.refuses:
            raise PipelineError("Droplet already has a pending event.")
        self.gone.append(path)
        return True


def test_all_that_a_run_made_is_removed_and_nothing_else() -> None:
    cloud = Cloud()
    assert bake_run.sweep(cloud.api, RUN) == []
    assert cloud.gone == ["droplets/1", "account/keys/5", "images/7", f"tags/{RUN.tag}"]


def test_an_image_that_is_finished_stays() -> None:
    cloud = Cloud(finished=True)
    bake_run.sweep(cloud.api, RUN)
    assert "images/7" not in cloud.gone


def test_what_cannot_be_removed_is_told() -> None:
    cloud = Cloud(refuses="droplets/1")
    assert bake_run.sweep(cloud.api, RUN) == ["droplet bake: Droplet already has a pending event."]
    # The tag, by which the droplet is found again, stays.
    assert cloud.gone == ["account/keys/5", "images/7"]
