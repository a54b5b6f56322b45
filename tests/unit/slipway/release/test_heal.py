"""Which way is taken when the address does not answer, and what the reference is made to say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.release import apply, heal, takeover
from slipway.release.options import ReleaseOptions
from slipway.runs import run as runs
from slipway.verification import verify
from slipway.verification.witness import Witness, Word
from tests.unit.slipway.sockets import Instant

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed")
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed")
BOTH = Reference().deploying(V1).deploying(V2)
ALONE = Reference().deploying(V2)
IDS = {V1.key: 1, V2.key: 2}
PLAIN = ReleaseOptions()


class World:
    """Droplets by number and status; those in ``sound`` answer and pass, and the others only once they are started.

    Those in ``silent`` cannot be reached over SSH; without a ``path`` nothing answers from here over HTTP.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current, self.status = BOTH, {1: "active", 2: "active"}
        self.sound, self.curable, self.target, self.did = {1, 2}, set[int](), 2, list[str]()
        self.file = folder / "local.tfvars.json"
        self.path, self.silent = True, set[int]()
        self.session: Any = SimpleNamespace(
            settings=SimpleNamespace(reference_path=self.file, tag="t"),
            progress=Progress(),
            api=self,
            outputs=self.outputs,
        )
        for module, name, fake in (
            (runs, "alone", lambda session, what, force: _Context()),
            (takeover, "refuse", lambda session: None),
            (verify, "verify", self.verify),
            (verify, "answers", lambda of, address, times: self.path and self.at(address) == IDS[of.key] in self.sound),
            (apply, "apply_reference", self.carry_out),
            (Witness, "word", lambda witness: self.word(int(witness.address.rpartition(".")[2]))),
            (Witness, "is_met_from_here", lambda witness: self.path),
        ):
            monkeypatch.setattr(module, name, fake)

    def outputs(self) -> Outputs:
        droplets = {key: {"id": number, "address": f"192.0.2.{number}"} for key, number in IDS.items()}
        known = {key: each for key, each in droplets.items() if key in self.current.running}
        said = {"releases": {k: vars(r) for k, r in self.current.releases.items()}}
        reference = {**said, "live": self.current.live, "standby": self.current.standby}
        return Outputs.parse({"droplets": known, "floating_ip": "192.0.2.9", "reference": reference})

    def at(self, address: str) -> int:
        number = int(address.rpartition(".")[2])
        return self.target if number == 9 else number

    def word(self, droplet: int) -> Word:
        if droplet in self.silent:
            return Word.SILENT
        return Word.FINE if droplet in self.sound else Word.UNWELL

    def droplets(self, tag: str) -> list[Any]:
        return [SimpleNamespace(id=id, status=said, address=f"192.0.2.{id}") for id, said in self.status.items()]

    def floating_ip_target(self, address: str) -> int:
        return self.target

    def act(self, droplet: int, type: str) -> None:
        self.did.append(f"{type} {droplet}")
        self.status[droplet] = "active"
        self.sound |= {droplet} & self.curable

    def point(self, address: str, droplet: int) -> None:
        self.did.append(f"point at {droplet}")
        self.target = droplet

    def remove(self, path: str) -> None:
        self.did.append(f"remove {path}")
        del self.status[int(path.rpartition("/")[2])]

    def verify(self, session: Any, subject: verify.Subject) -> verify.Passed:
        number = int(subject.address.rpartition(".")[2])
        if not self.path or number in self.silent or number not in self.sound:
            raise PipelineError("It failed its verification.")
        return verify.Passed(subject, self.file, 1)

    def carry_out(
        self, session: Any, run: Any, current: Reference, target: Reference, options: ReleaseOptions
    ) -> Reference:
        self.did.append(f"make {target.live} live beside {target.standby}")
        for key in target.running:
            if IDS[key] not in self.status:
                self.status[IDS[key]] = "active"
                self.sound.add(IDS[key])
        self.target = IDS[target.live or ""]
        return target

    def heal(self, options: ReleaseOptions = PLAIN) -> heal.Healed:
        reference.write(self.file, self.current)
        return heal.heal(self.session, options, Instant())


class _Context:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_nothing_is_done_where_nothing_is_wrong(world: World) -> None:
    assert world.heal() == heal.Healed(V2.key, [], 0.0)
    assert world.did == []


def test_one_that_is_off_is_started(world: World) -> None:
    world.status[2], world.sound, world.curable = "off", {1}, {2}
    assert world.heal().live == V2.key
    assert world.did == ["power_on 2", f"make {V2.key} live beside {V1.key}"]


def test_one_that_does_not_come_up_gives_way_to_its_standby(world: World) -> None:
    world.status[2], world.sound = "off", {1}
    healed = world.heal()
    assert (healed.live, healed.done) == (V1.key, [f"the standby {V1.key} took over"])
    assert world.did == ["power_on 2", "point at 1", f"make {V1.key} live beside None"]


def test_one_that_is_silent_gives_way_at_once(world: World) -> None:
    world.sound = {1}
    assert world.heal().live == V1.key
    assert world.did[0] == "point at 1"


def test_without_a_standby_that_passes_it_is_started_anew(world: World) -> None:
    world.sound, world.curable = set(), {2}
    assert world.heal().live == V2.key
    assert world.did[0] == "power_cycle 2"


def test_one_that_stays_dead_is_made_again(world: World) -> None:
    world.current, world.status, world.sound = ALONE, {2: "active"}, set()
    assert world.heal().live == V2.key
    assert world.did == ["power_cycle 2", "remove droplets/2", f"make {V2.key} live beside None"]


def test_one_that_vanished_is_made_again(world: World) -> None:
    world.current, world.status, world.sound = ALONE, {}, set()
    assert world.heal().done == [f"the droplet of {V2.key} is gone, and another one is made of its image"]


def test_a_standby_that_is_off_is_started_too(world: World) -> None:
    world.status[1], world.sound, world.curable = "off", {2}, {1}
    assert world.heal().done == [f"the droplet of {V1.key} was started"]


def test_a_standby_that_runs_and_answers_nothing_is_started_anew(world: World) -> None:
    world.sound, world.curable = {2}, {1}
    assert world.heal().done == [f"the droplet of {V1.key} was started anew"]
    assert world.did[0] == "power_cycle 1"


def test_a_standby_that_is_not_what_it_should_be_is_made_anew(world: World) -> None:
    world.sound = {2}
    assert world.heal().done == [f"the droplet of the standby {V1.key} is gone, and another one is made of its image"]
    assert world.did == ["power_cycle 1", "remove droplets/1", f"make {V2.key} live beside {V1.key}"]


def test_one_that_is_fine_by_its_own_word_loses_no_traffic_to_a_path_that_is_broken_here(world: World) -> None:
    world.path = False
    with pytest.raises(PipelineError, match="the path from this machine is suspect. No traffic was moved"):
        world.heal()
    assert (world.did, world.target) == ([], 2)


def test_an_address_that_does_not_lead_to_a_droplet_that_is_fine_is_pointed_there_again(world: World) -> None:
    world.target = 1
    assert world.heal().done == [f"the address was pointed at the droplet of {V2.key} again"]
    assert world.did == ["point at 2", f"make {V2.key} live beside {V1.key}"]


def test_one_that_cannot_be_reached_at_all_gives_way_to_a_standby_that_can(world: World) -> None:
    world.sound, world.silent = {1}, {2}
    assert world.heal().live == V1.key
    assert world.did[0] == "point at 1"


def test_where_no_droplet_can_be_reached_nothing_is_done(world: World) -> None:
    world.path, world.silent = False, {1, 2}
    with pytest.raises(PipelineError, match="Neither .* can be reached from here.* Nothing was changed"):
        world.heal()
    assert (world.did, world.target) == ([], 2)


def test_one_that_is_merely_silent_is_started_anew_and_not_removed_without_force(world: World) -> None:
    world.current, world.status, world.sound, world.silent = ALONE, {2: "active"}, set(), {2}
    with pytest.raises(PipelineError, match="It was started anew, and not removed"):
        world.heal()
    assert world.did == ["power_cycle 2"]
    world.did.clear()
    assert world.heal(ReleaseOptions(force="the panel shows a kernel panic")).live == V2.key
    assert world.did == ["power_cycle 2", "remove droplets/2", f"make {V2.key} live beside None"]


def test_where_nothing_is_live_there_is_nothing_to_heal(world: World) -> None:
    world.current = Reference()
    with pytest.raises(PipelineError, match="Nothing is live"):
        world.heal()
