"""How a release is carried out."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.project import Limits


@dataclass(frozen=True)
class ReleaseOptions:
    """How a release is carried out: whether the one before stays warm, and what a failed one leaves behind.

    ``limits`` are what the cutover may cost, by default what `slipway.toml` says. ``force`` is the reason for a
    release that was rolled back before.
    """

    standby: bool = True
    keep_failed: bool = False
    commit: bool = False
    limits: Limits | None = None
    force: str = ""
