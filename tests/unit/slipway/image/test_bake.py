"""Why a bake is given up, and what is done about what it left."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.errors import PipelineError
from slipway.image import bake, bake_run
from slipway.image.bake_run import BakeRun
from slipway.progress import Progress
from slipway.tools.digitalocean import Droplet
from slipway.tools.pytest import PYTEST

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJVnRsmBDBoBhMqiOsIsVLLs7SkbAqVvXFtVqdxBdnZT"
RUN = BakeRun("20261121T100000Z-abcdef", "app", "app-v1-0123456789ab", "http://cloud")


def session(folder: Path, actions: Sequence[tuple[int, str]] = (), *, deadline: float = 60, lost: bool = False) -> Any:
    def failed(droplet: int) -> Sequence[tuple[int, str]]:
        if lost:
            raise PipelineError("The cloud does not answer.")
        return actions

    project = SimpleNamespace(name=RUN.project, work=folder, image=SimpleNamespace(deadline=deadline))
    api = SimpleNamespace(droplets=lambda tag: [Droplet(1, "bake", "active", "")], failed_actions=failed)
    settings = SimpleNamespace(project=project, cloud=SimpleNamespace(endpoint=RUN.endpoint))
    return SimpleNamespace(settings=settings, api=api, progress=Progress())


@pytest.mark.parametrize(
    ("actions", "says"),
    [
        ([], None),
        ([(3, "shutdown"), (4, "power_off")], None),  # Packer tries those again
        ([(5, "create")], "could not make the build droplet (action 5 errored)"),
        ([(3, "shutdown"), (6, "snapshot")], "could not take the snapshot (action 6 errored)"),
    ],
)
def test_a_bake_is_given_up_when_there_can_be_no_image(
    tmp_path: Path, actions: list[tuple[int, str]], says: str | None
) -> None:
    said = bake._trouble(session(tmp_path, actions), RUN)()
    assert said is None if says is None else said is not None and says in said


def test_a_bake_is_given_up_at_its_deadline(tmp_path: Path) -> None:
    said = bake._trouble(session(tmp_path, deadline=-1), RUN)()
    assert said is not None and "was not done after" in said


def test_a_cloud_that_does_not_answer_is_packers_matter(tmp_path: Path) -> None:
    assert bake._trouble(session(tmp_path, lost=True), RUN)() is None


def test_what_is_left_is_said_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bake_run, "sweep", lambda api, run, patience: ["droplet bake: locked"])
    with pytest.raises(PipelineError, match="no image"), bake._run(session(tmp_path), RUN.image):
        raise PipelineError("There is no image.")
    assert "something of this bake is left" in capsys.readouterr().err
    (run,) = bake_run.known(tmp_path, RUN.endpoint)[1]
    # The next bake finds it, and then it is forgotten.
    monkeypatch.setattr(bake_run, "sweep", lambda api, run, patience: [])
    bake._sweep(session(tmp_path), run)
    assert bake_run.known(tmp_path, RUN.endpoint) == ([], [])


def test_the_image_s_tests_end_with_the_process_that_ordered_them(tmp_path: Path) -> None:
    """A bake that is killed ends Packer, and Packer's end does not end the tests that it runs."""
    folder, expect = Path(__file__).parents[3] / "droplet", tmp_path / "expect.json"
    expect.write_text('{"version": "v1", "commit": "c", "image": "i"}')
    where = ("--address=127.0.0.1", "--port=1", "--wait=60", f"--host-key={KEY}", f"--identity={expect}")
    words = [*PYTEST, "-q", f"--confcutdir={folder}", str(folder / "test_image.py"), *where, f"--expect={expect}"]
    with subprocess.Popen(["sleep", "60"]) as ordered:
        try:
            with subprocess.Popen([*words, f"--end-with={ordered.pid}"], stdout=subprocess.DEVNULL) as tests:
                with pytest.raises(subprocess.TimeoutExpired):
                    tests.wait(2)
                ordered.kill()
                assert tests.wait(20) == 1
        finally:
            ordered.kill()
