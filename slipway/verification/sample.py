"""One request to an app, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One request. ``at`` is when it was sent, in seconds since the prober began; ``ms`` until it was over.

    ``release`` is the key of the release that answered, empty when none did; then ``error`` says why. ``late`` is for
    how many milliseconds the prober itself stood still before, longer than between two requests anyway. ``again`` marks
    the request of a kept connection that had to be opened anew, because its end had come.
    """

    at: float
    ms: float
    release: str
    kept: bool = False
    error: str = ""
    late: float = 0
    again: bool = False

    @property
    def lost(self) -> bool:
        """Whether nobody answered as a release should."""
        return not self.release
