"""The one way to try again, with backoff, jitter and Retry-After, and the one way to wait for something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from slipway.clock import SYSTEM, Clock

Answer = TypeVar("Answer")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
JITTER_S = 0.1


class Again(Exception):
    """An attempt that failed and may succeed later. ``after`` is how many seconds the other side asked to wait."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


def retrying(clock: Clock, seconds: float, say: Callable[[str], None] | None = None) -> tenacity.Retrying:
    """What calls a function again after each `Again`, until it returns or the time is over.

    The last `Again` is raised then. No attempt begins after the deadline. ``say`` hears of each pause.
    """
    ends = clock.now() + seconds

    def told(state: tenacity.RetryCallState) -> None:
        if say and state.outcome:
            say(f"{state.outcome.exception()}; the next attempt is in {state.upcoming_sleep:.1f} s")

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Again),
        wait=_pause,
        stop=lambda state: clock.now() + state.upcoming_sleep > ends,
        sleep=clock.sleep,
        before_sleep=told,
        reraise=True,
    )


def polled(
    ask: Callable[[], Answer], within: float, every: float, clock: Clock = SYSTEM, *, slowest: float = 0.0
) -> Answer:
    """Ask again until the answer is true or the time is over, and return the last answer. Times are in seconds.

    ``every`` is the pause between two questions; it grows to ``slowest`` where that is more.
    """
    ends = clock.now() + within
    asking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda answer: not answer),
        wait=tenacity.wait_exponential(multiplier=every, exp_base=1.3, max=max(every, slowest)),
        stop=lambda state: clock.now() > ends,
        sleep=clock.sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    return asking(ask)


_backoff = tenacity.wait_exponential_jitter(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S, jitter=JITTER_S)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Again) else 0.0
    return max(_backoff(state), asked)
