"""The way back: the address first, by the API, again and again, and never onto a droplet that is dead."""

from __future__ import annotations

import errno
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.graph.plan import Refused
from slipway.release import recover
from slipway.release.recover import Restored
from slipway.runs.account_lock import LockLost, LockUnsure
from slipway.verification.app_client import AppClient
from slipway.verification.witness import Witness, Word
from tests.unit.slipway.sockets import Instant

V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed")
V2 = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed")
CONFIRMED = Reference().deploying(V1)
BEFORE = Outputs.parse(
    {
        "reference": {"live": V1.key, "standby": None, "releases": {V1.key: vars(V1)}},
        "droplets": {V1.key: {"id": 1, "address": "192.0.2.1"}},
        "floating_ip": "192.0.2.9",
    }
)
BUSY = PipelineError("The cloud refused: Service Unavailable")


class World:
    """Droplet 1 was confirmed, droplet 2 has the traffic. Each call to the API may fail some times first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.warned, self.calls = Instant(), list[str](), list[str]()
        self.target, self.status = 2, {1: "active", 2: "active"}
        self.failures: dict[str, list[Exception]] = {}
        self.lost_moves = 0
        self.alive, self.word = {1, 2}, Word.UNWELL
        self.session: Any = SimpleNamespace(
            api=self,
            settings=SimpleNamespace(tag="t"),
            progress=SimpleNamespace(
                step=lambda title: nullcontext(), warn=self.warned.append, detail=lambda text: None
            ),
        )
        self._moved = 2
        monkeypatch.setattr(AppClient, "release", lambda client: self._answers())
        monkeypatch.setattr(Witness, "is_met_from_here", lambda witness: 1 in self.alive)
        monkeypatch.setattr(Witness, "word", lambda witness: self.word)

    def _answers(self) -> str:
        return {1: V1.key, 2: V2.key}[self._moved] if self._moved in self.alive else ""

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if waiting := self.failures.get(name):
            raise waiting.pop(0)

    def floating_ip_target(self, address: str) -> int:
        self._call("look")
        return self.target

    def droplets(self, tag: str) -> list[Any]:
        self._call("droplets")
        return [SimpleNamespace(id=id, status=said, address=f"192.0.2.{id}") for id, said in self.status.items()]

    def point(self, address: str, droplet: int) -> None:
        self._call("point")
        self.target = droplet
        if self.lost_moves:
            self.lost_moves -= 1
        else:
            self._moved = droplet

    @property
    def users_are_at(self) -> int:
        return self._moved

    def restore(self) -> Restored:
        return recover.restore_traffic(self.session, BEFORE, self.clock)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_address_goes_back_and_who_had_it_is_known(world: World) -> None:
    restored = world.restore()
    assert (world.users_are_at, restored.other and restored.other.id) == (1, 2)
    assert not restored.stays
    assert world.clock.slept == []


def test_an_address_that_never_moved_costs_one_look(world: World) -> None:
    world.target = 1
    assert world.restore() == Restored()
    assert world.calls == ["look"]


@pytest.mark.parametrize("call", ["look", "droplets", "point"])
@pytest.mark.parametrize("times", [1, 7])
def test_no_call_that_fails_for_a_while_ends_the_way_back(world: World, call: str, times: int) -> None:
    world.failures[call] = [BUSY] * times
    assert world.restore().other
    assert world.users_are_at == 1 and len(world.clock.slept) == times


def test_it_is_tried_for_minutes_and_not_for_ever(world: World) -> None:
    world.failures["point"] = [BUSY] * 1000
    world.restore()
    assert recover.LONGEST_S - 10 < world.clock.time <= recover.LONGEST_S
    assert world.warned[-1].startswith(f"the address could not be moved back to {V1.key}: The cloud refused")


def test_a_move_that_is_lost_is_made_again(world: World) -> None:
    world.lost_moves = 2
    world.restore()
    assert (world.users_are_at, world.calls.count("point")) == (1, 3)


def test_where_nobody_answers_from_here_a_move_counts_as_made(world: World) -> None:
    world.alive, world.word = set(), Word.FINE
    assert world.restore().other
    assert world.calls.count("point") == 1


def test_traffic_does_not_go_back_to_a_dead_droplet_from_one_that_answers(world: World) -> None:
    world.alive = {2}
    assert world.restore().stays
    assert world.users_are_at == 2 and "is dead, so the traffic stays with" in world.warned[0]


def test_a_droplet_that_only_this_machine_finds_dead_is_gone_back_to(world: World) -> None:
    world.alive, world.word = {2}, Word.FINE
    assert not world.restore().stays
    assert world.users_are_at == 1


def test_a_droplet_that_is_gone_is_not_waited_for(world: World) -> None:
    del world.status[1]
    assert not world.restore().stays
    assert world.clock.time == 0 and "is gone" in world.warned[0]


def test_before_anything_was_confirmed_there_is_no_way_back(world: World) -> None:
    assert recover.restore_traffic(world.session, Outputs(), world.clock) == Restored()
    assert world.calls == []


@pytest.mark.parametrize("final", [LockLost("Another run has it."), Refused("The plan is refused.")])
def test_what_does_not_pass_is_not_tried_again(final: PipelineError) -> None:
    tried: list[int] = []

    def attempt() -> None:
        tried.append(1)
        raise final

    with pytest.raises(type(final)):
        recover.until_it_works(attempt, lambda text: None, Instant())
    assert tried == [1]


def test_an_apply_is_done_again_until_it_works_even_if_the_lock_is_unsure_meanwhile() -> None:
    said: list[str] = []
    failures: list[PipelineError] = [BUSY, LockUnsure("It is not known."), PipelineError("OpenTofu failed.")]

    def attempt() -> None:
        if failures:
            raise failures.pop(0)

    recover.until_it_works(attempt, said.append, Instant())
    assert [text.partition(";")[0] for text in said] == [
        "The cloud refused: Service Unavailable",
        "It is not known",
        "OpenTofu failed",
    ]


def test_what_is_hopeless_is_not_tried_again() -> None:
    tried: list[int] = []

    def attempt() -> None:
        tried.append(1)
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")

    with pytest.raises(PipelineError, match="The disk is full"):
        recover.until_it_works(attempt, lambda text: None, Instant(), lambda: len(tried) == 2)
    assert len(tried) == 2


def test_what_failed_last_is_what_is_raised() -> None:
    def attempt() -> None:
        raise PipelineError("OpenTofu failed.", "A hint.")

    with pytest.raises(PipelineError, match="OpenTofu failed") as raised:
        recover.until_it_works(attempt, lambda text: None, Instant())
    assert raised.value.hint == "A hint."
