"""Who may get the traffic. Only this room makes a `Verified`, and `Edge.move` takes nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from slipway.environment.outputs import Group, Outputs
from slipway.errors import PipelineError


class Proof(Enum):
    """What a droplet is verified by."""

    TESTS = "it passed its tests"
    GATE = "it passed the gate of the release graph"
    CONFIRMED = "it was confirmed at the public address"
    OWN_WORD = "it says itself that it is the live release, and well"


@dataclass(frozen=True)
class Verified:
    """The droplets of a release that may get the traffic."""

    group: Group
    proof: Proof


def by_gate(outputs: Outputs, release: str | None) -> Verified:
    """The droplets of a release after an apply whose graph has the gate: had it failed, the apply would have.

    Raises PipelineError when the state has none.
    """
    group = outputs.group(release)
    if group is None:
        raise PipelineError(f"The state has no droplet of {release}.", "./invoke status says where things stand.")
    return Verified(group, Proof.GATE)


def by_confirmation(outputs: Outputs) -> Verified | None:
    """The droplets of the release that was confirmed last, if they are in the state."""
    group = outputs.group(outputs.confirmed.live)
    return Verified(group, Proof.CONFIRMED) if group else None
