"""What becomes of a release that fails: who goes back, what the reference file says then, and what the ledger."""

from __future__ import annotations

import errno
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.database import cluster
from slipway.environment import reference
from slipway.environment.outputs import Group, Member, Outputs
from slipway.environment.reference import CLOUD_INIT, Reference, Release
from slipway.errors import PipelineError, Unrecorded
from slipway.graph.plan import CurrentState, Refused
from slipway.project import Limits
from slipway.release import recover
from slipway.release.apply import Crew, apply
from slipway.release.deploy import pending_changes
from slipway.release.options import ReleaseOptions
from slipway.runs import record
from slipway.runs.account_lock import LockLost
from slipway.runs.ledger import Run
from slipway.tools.digitalocean import FloatingIP
from slipway.tools.git.git import Git
from slipway.tools.terraform.engine import Root
from slipway.traffic.watch import ReleaseUnhealthy
from slipway.verification import verify
from slipway.verification.witness import Witness, Word

NO_TEMPLATE = hashlib.sha256(b"").hexdigest()
"""The digest of a template with nothing in it."""
V0 = Release("v0", "c0ffee", "app-v0-0123456789ab", "s-1vcpu-1gb", NO_TEMPLATE)
V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", NO_TEMPLATE)
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", NO_TEMPLATE)
CURRENT = Reference().deploying(V1)
TARGET = CURRENT.deploying(V2)
PLAIN = ReleaseOptions()


class World:
    """A release of v2 over v1 by an engine that fails where it is told to; ``applied`` is what it made so, in turn."""

    def __init__(self, folder: Path) -> None:
        self.failure: Exception | None = None
        self.unplanned: PipelineError | None = None
        self.unfit: ReleaseUnhealthy | None = None
        self.refusal: PipelineError | None = None
        self.late: Exception | None = None
        self.applied: list[Reference] = []
        self.order: list[str] = []
        self.warned: list[str] = []
        self.droplets: set[int] = set()
        self.images = [each.image for each in (V0, V1, V2)]
        self.addressed = 1
        self.outputs = Outputs(confirmed=CURRENT)
        self.path = folder / "local.tfvars.json"
        reference.write(self.path, CURRENT)
        for name in ("provision.sh", CLOUD_INIT):
            (folder / "provisioning").mkdir(exist_ok=True)
            (folder / "provisioning" / name).touch()
        self.run = Run.begin(folder / "runs", {})
        limits = Limits(max_lost=0)
        self.session: Any = SimpleNamespace(
            settings=SimpleNamespace(
                project=SimpleNamespace(
                    root=folder, limits=limits, droplet=SimpleNamespace(region="fra1"), database=None
                ),
                work=folder / "work",
                reference_path=self.path,
                environment="local",
                tag="slipway",
            ),
            progress=SimpleNamespace(
                say=lambda text: None,
                detail=lambda text: None,
                warn=self.warned.append,
                step=lambda title: nullcontext(),
            ),
            api=SimpleNamespace(
                images=lambda: [SimpleNamespace(name=name) for name in self.images],
                droplets=lambda tag: [SimpleNamespace(id=each) for each in self.droplets],
                floating_ip_target=lambda address: self.addressed,
                floating_ip_targets=lambda: {self.addressed},
                floating_ips=lambda: [FloatingIP("203.0.113.5", "fra1", self.addressed)],
                remove=self._remove,
            ),
            git=SimpleNamespace(changed=lambda names: []),
            roots=(Root(folder, folder / "terraform", folder / "backend.tf"),),
            outputs=lambda: self.outputs,
        )

    def judge(self, target: Reference, *_: object) -> Any:
        if self.unplanned:
            raise self.unplanned
        if isinstance(self.failure, Refused):
            raise self.failure
        return SimpleNamespace(carry_out=lambda session: self.apply(target))

    def apply(self, target: Reference, *_: object) -> None:
        if self.failure:
            raise self.failure
        if self.late and not target.retiring:
            raise self.late
        self.applied.append(target)
        new = {V2.key: Group(V2.key, (Member(9, "app-local-v2", "192.0.2.9"),))}
        self.outputs = replace(self.outputs, groups={**new, **self.outputs.groups})

    def restore(self, target: Reference, now: CurrentState) -> None:
        self.applied.append(target)

    def _keep(self, *_: object) -> Path:
        self.order.append("evidence")
        return self.path.parent / "evidence"

    def _restore(self, *_: object) -> recover.Restored:
        self.order.append("address")
        return recover.Restored()

    def _remove(self, path: str) -> None:
        if self.refusal:
            raise self.refusal
        self.droplets.discard(int(path.removeprefix("droplets/")))

    @contextmanager
    def _watch(self, *_: object) -> Iterator[Any]:
        yield SimpleNamespace(is_at_work=True, judge=self._judge)

    def _judge(self, *_: object) -> None:
        if self.unfit:
            raise self.unfit

    def release(self, options: ReleaseOptions = PLAIN, target: Reference = TARGET) -> Reference:
        crew, before = Crew(lambda *_: self, self._watch, self._restore, self._keep), self.outputs
        try:
            return apply(self.session, self.run, CURRENT, target, options, crew=crew)
        finally:
            self.outputs = before


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_good_release_is_applied_once_and_written_down(world: World) -> None:
    assert world.release() == TARGET
    assert (world.applied, reference.read(world.path)) == ([TARGET], TARGET)
    assert record.parse(world.run.path.read_text()).target == V2.key


def test_a_release_that_fails_is_gone_back_from_and_not_marked(world: World) -> None:
    world.failure = PipelineError("It failed its verification.")
    with pytest.raises(PipelineError, match="failed its verification"):
        world.release()
    assert world.applied == [CURRENT]
    assert reference.read(world.path) == CURRENT and not reference.read(world.path).rejected


FULL = OSError(errno.ENOSPC, "No space left on device", "/some/file")


def test_a_release_that_meets_a_full_disk_is_gone_back_from(world: World) -> None:
    world.failure = FULL
    with pytest.raises(PipelineError, match="The disk is full: /some/file"):
        world.release()
    assert (world.applied, world.order) == ([CURRENT], ["address"]) and reference.read(world.path) == CURRENT


def test_a_disk_that_is_full_when_a_release_is_live_does_not_make_it_fail(world: World) -> None:
    standing(world, V1, V0)
    world.late = FULL
    assert world.release() == TARGET == reference.read(world.path)
    assert world.warned[0].endswith("is live, but not all that it replaced is gone: The disk is full: /some/file.")


def test_a_release_that_could_not_be_written_down_is_not_begun(world: World) -> None:
    world.session.settings.reference_path = world.path.parent / "gone" / world.path.name
    with pytest.raises(PipelineError, match="The machine refused: No such file or directory"):
        world.release()
    assert world.applied == [] and reference.read(world.path) == CURRENT


def test_evidence_that_a_full_disk_does_not_take_keeps_nobody_from_going_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*_: object) -> Path:
        raise FULL

    monkeypatch.setattr(world, "_keep", keep)
    world.unfit = ReleaseUnhealthy(V2, "3 requests were lost")
    with pytest.raises(ReleaseUnhealthy):
        world.release()
    assert world.applied == [TARGET, CURRENT]
    assert world.warned[0] == "the evidence is not complete: The disk is full: /some/file."


def test_a_release_that_cannot_even_be_planned_needs_no_way_back(world: World) -> None:
    world.unplanned = PipelineError("The engine cannot encrypt its state.")
    with pytest.raises(PipelineError, match="cannot encrypt"):
        world.release()
    assert (world.applied, world.order) == ([], []) and reference.read(world.path) == CURRENT


def test_what_is_kept_for_a_look_is_not_gone_back_from(world: World) -> None:
    world.failure = PipelineError("It failed its verification.")
    with pytest.raises(PipelineError):
        world.release(ReleaseOptions(keep_failed=True))
    assert world.applied == []


@pytest.mark.parametrize("failure", [LockLost("Another run has it."), Refused("The plan is refused.")])
def test_who_lost_the_lock_or_was_refused_changes_nothing_not_even_back(world: World, failure: PipelineError) -> None:
    world.failure = failure
    with pytest.raises(type(failure)):
        world.release()
    assert world.applied == [] and reference.read(world.path) == CURRENT


@pytest.mark.parametrize("options", [ReleaseOptions(), ReleaseOptions(keep_failed=True)])
def test_a_release_that_is_not_fit_is_gone_back_from_and_marked(world: World, options: ReleaseOptions) -> None:
    world.unfit = ReleaseUnhealthy(V2, "its app restarted 2 times")
    with pytest.raises(PipelineError, match="its app restarted 2 times"):
        world.release(options)
    assert world.applied == [TARGET, CURRENT] and world.order == ["address", "evidence"]
    now = reference.read(world.path)
    assert now == CURRENT and now.rejected == {V2.mark: f"{V2.key}: its app restarted 2 times"}
    assert [note.kind for note in record.parse(world.run.path.read_text()).notes] == ["evidence", "way back"]


def standing(world: World, *releases: Release) -> None:
    """Droplets 1, 2, … of releases that were confirmed, the first of them live, the second warm."""
    confirmed = {
        "live": releases[0].key,
        "standby": releases[1].key,
        "releases": {each.key: vars(each) for each in releases},
    }
    droplets = {each.key: {"id": id, "address": f"192.0.2.{id}"} for id, each in enumerate(releases, 1)}
    world.outputs = Outputs.parse({"reference": confirmed, "droplets": droplets})
    world.droplets.update(range(1, len(releases) + 1))


def test_what_stands_stays_until_a_release_has_proved_itself_and_goes_then(world: World) -> None:
    standing(world, V1, V0)
    assert world.release() == TARGET
    assert [each.retiring for each in world.applied] == [(V0.key,), ()]
    assert world.applied[0].running == [V2.key, V1.key, V0.key] and world.droplets == {1}
    assert reference.read(world.path) == TARGET


def test_a_release_that_is_not_fit_leaves_what_was_confirmed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    standing(world, V1, V0, V2)
    world.unfit = ReleaseUnhealthy(V2, "its app restarted 2 times")
    monkeypatch.setattr(Witness, "word", lambda witness: Word.FINE)
    monkeypatch.setattr(verify, "answers", lambda *_: True)
    with pytest.raises(PipelineError):
        world.release()
    assert world.droplets == {1, 2}


def test_a_droplet_that_the_cloud_does_not_remove_is_left_to_terraform(world: World) -> None:
    standing(world, V1, V0)
    world.refusal = PipelineError("The droplet has a pending event.")
    assert world.release() == TARGET
    assert world.droplets == {1, 2} and world.applied[-1] == TARGET
    assert world.warned == ["The droplet has a pending event. Terraform removes it instead."]


def test_a_droplet_with_traffic_is_not_removed_behind_the_guard_of_plans(world: World) -> None:
    standing(world, V1, V0)
    world.addressed = 2
    world.release()
    assert world.droplets == {1, 2}


def test_a_release_is_live_even_if_what_it_replaced_stays(world: World) -> None:
    standing(world, V1, V0)
    world.late = PipelineError("OpenTofu failed.")
    assert world.release() == TARGET == reference.read(world.path)
    assert world.warned[0].endswith("is live, but not all that it replaced is gone: OpenTofu failed.")
    with pytest.raises(PipelineError, match="OpenTofu failed"):
        world.release(target=CURRENT)  # which only retires


def test_what_vanished_or_has_no_image_is_not_kept(world: World) -> None:
    standing(world, V1, V0)
    world.droplets.discard(2)
    world.release()
    assert world.applied == [TARGET]
    world.droplets.add(2)
    world.images.remove(V0.image)
    world.release()
    assert world.applied == [TARGET, TARGET]


@pytest.mark.parametrize(("answers", "word"), [(True, Word.SILENT), (False, Word.FINE), (False, Word.UNWELL)])
def test_no_traffic_moves_to_a_standby_that_neither_answers_nor_is_fine_by_its_own_word(
    world: World, monkeypatch: pytest.MonkeyPatch, answers: bool, word: Word
) -> None:
    monkeypatch.setattr(verify, "answers", lambda *_: answers)
    monkeypatch.setattr(Witness, "word", lambda witness: word)
    confirmed = {"live": V1.key, "standby": V2.key, "releases": {each.key: vars(each) for each in (V1, V2)}}
    droplets = {V2.key: {"id": 2, "address": "192.0.2.1"}}
    world.outputs = Outputs.parse({"reference": confirmed, "droplets": droplets})
    if answers or word is Word.FINE:
        assert world.release() == TARGET
        assert answers or "the path from this machine is suspect" in world.warned[0]
        return
    with pytest.raises(PipelineError, match=f"The droplet of {V2.key} does not answer"):
        world.release()
    assert world.applied == []


def test_a_candidate_that_a_run_left_has_the_gate_before_it_and_need_not_answer(world: World) -> None:
    """Else no deploy would ever make it anew."""
    confirmed = {"live": V1.key, "standby": None, "releases": {V1.key: vars(V1)}}
    world.outputs = Outputs.parse({"reference": confirmed, "droplets": {V2.key: {"id": 2, "address": "192.0.2.1"}}})
    assert world.release() == TARGET


def _repository(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the reference file in it, and a user of whom git knows nothing."""
    for words in (["init", "--quiet"], ["add", world.path.name]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    commit = ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "Before"]
    subprocess.run(["git", *commit], cwd=folder, check=True)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(folder / "nobody"))
    subprocess.run(["git", "config", "user.useConfigOnly", "true"], cwd=folder, check=True)
    world.session.git = Git(folder)
    return folder


def _identity(folder: Path) -> None:
    for name, value in (("user.name", "tester"), ("user.email", "t@example.com"), ("commit.gpgsign", "false")):
        subprocess.run(["git", "config", name, value], cwd=folder, check=True)


def _hook(folder: Path) -> None:
    _identity(folder)
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'The linter is not happy.' >&2\nexit 1\n")
    hook.chmod(0o755)


def _lock(folder: Path) -> None:
    _identity(folder)
    (folder / ".git" / "index.lock").touch()


@pytest.mark.parametrize(
    ("obstacle", "says"),
    [(lambda folder: None, "user.email"), (_hook, "The linter is not happy."), (_lock, "index.lock")],
    ids=["no identity", "a hook", "another git"],
)
def test_a_release_that_cannot_be_committed_is_live_and_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: Callable[[Path], None], says: str
) -> None:
    folder = _repository(world, tmp_path, monkeypatch)
    obstacle(folder)
    with pytest.raises(Unrecorded) as error:
        world.release(ReleaseOptions(commit=True))
    what = f"{V2.key} is live, but local.tfvars.json was not committed: `git "
    assert error.value.message.startswith(what) and "-c " not in error.value.message
    by_hand = f"git commit -m 'Release {V2.key} to local' local.tfvars.json"
    assert says in error.value.hint and error.value.hint.endswith(by_hand)
    assert world.applied == [TARGET] and reference.read(world.path) == TARGET
    # The command of the hint works once the obstacle is gone.
    for left in ("index.lock", "hooks/pre-commit"):
        (folder / ".git" / left).unlink(missing_ok=True)
    _identity(folder)
    subprocess.run(by_hand, shell=True, cwd=folder, check=True, capture_output=True)
    assert Git(folder).changed(["local.tfvars.json"]) == []


def test_a_rejection_that_cannot_be_committed_does_not_hide_why(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hook(_repository(world, tmp_path, monkeypatch))
    world.unfit = ReleaseUnhealthy(V2, "3 requests were lost")
    with pytest.raises(ReleaseUnhealthy, match="3 requests were lost"):
        world.release(ReleaseOptions(commit=True))
    assert any("is marked as rejected, but local.tfvars.json was not committed" in text for text in world.warned)


@pytest.mark.parametrize(
    ("live", "touches"),
    [(V1.key, False), (V2.key, True)],
)
def test_a_run_that_only_goes_back_leaves_the_database_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, live: str, touches: bool
) -> None:
    pending = cluster.Pending("resize the database")
    monkeypatch.setattr(cluster, "pending", lambda session: pending)
    both = CURRENT.deploying(V2)
    confirmed = {"live": V2.key, "standby": V1.key, "releases": {each.key: vars(each) for each in (V1, V2)}}
    world.outputs = Outputs.parse({"reference": confirmed})
    current = Reference(both.releases, live, V1.key if live == V2.key else V2.key)
    assert pending_changes(world.session, current, None) == (pending if touches else None)
    assert pending_changes(world.session, current, V0) == pending


def test_an_environment_in_which_nothing_is_live_gets_no_database(world: World) -> None:
    assert pending_changes(world.session, Reference(), None) is None


def test_another_region_is_refused_by_its_name_before_anything_is_planned(world: World) -> None:
    world.session.settings.project.droplet.region = "ams3"
    world.outputs = Outputs("203.0.113.5")
    with pytest.raises(Refused, match="slipway.toml says region ams3, .* 203.0.113.5 of local is in fra1"):
        world.release()
    assert world.applied == []
