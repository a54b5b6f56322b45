"""Where users arrive, and how that is led to the droplets of another release."""

from __future__ import annotations

from typing import Protocol

from slipway.clock import SYSTEM, Clock
from slipway.errors import PipelineError
from slipway.retries import polled
from slipway.tools.digitalocean import API
from slipway.verification.verified import Verified

MOVE = "move the floating IP"
MOVES_WITHIN_S = 60.0
"""Seconds that an address may take to move."""
_POLL_S = 0.1


class Edge(Protocol):
    """The public address of an environment, and who answers there."""

    address: str

    def carrying(self) -> frozenset[int]:
        """The droplets that get the traffic, by the cloud's word."""

    def move(self, verified: Verified, within: float = MOVES_WITHIN_S, *, again: bool = False) -> None:
        """Lead the traffic to droplets; returns when the cloud says so.

        ``again`` asks for it even where the cloud says so already. Raises PipelineError when that takes more than so
        many seconds.
        """


class FloatingIp:
    """A floating IP: the whole traffic goes to one droplet."""

    def __init__(self, api: API, address: str, clock: Clock = SYSTEM) -> None:
        self.address = address
        self._api, self._clock = api, clock

    def carrying(self) -> frozenset[int]:
        """The droplet that the address points at, if there is one."""
        droplet = self._api.floating_ip_target(self.address)
        return frozenset() if droplet is None else frozenset({droplet})

    def move(self, verified: Verified, within: float = MOVES_WITHIN_S, *, again: bool = False) -> None:
        """Point the address at the droplet, unless it does, and wait until the cloud says that it does."""
        droplet = verified.group.first.id
        if again or self.carrying() != {droplet}:
            self._api.point(self.address, droplet)
        if not polled(lambda: self.carrying() == {droplet}, within, _POLL_S, self._clock):
            raise PipelineError(f"The floating IP {self.address} did not move within {within:.0f} s.")
