"""A cloud's API over HTTP: the one place where calls are sent, and sent again where that helps and does no harm."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from slipway.clock import SYSTEM, Clock
from slipway.config import Cloud
from slipway.errors import PipelineError
from slipway.retries import Again, retrying
from slipway.tools import http

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be another one a moment later."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Patience:
    """Seconds: for a call with all its attempts, and for one attempt to get its whole answer."""

    total: float = 20.0
    attempt: float = 15.0


class _Passing(Again):
    """A call that got no answer, or one that may be another a moment later."""

    def __init__(self, why: str, after: float, answer: requests.Response | None, error: Exception | None) -> None:
        super().__init__(why, after)
        self.answer, self.error = answer, error


class Rest:
    """One cloud's API. Calls may come from any thread."""

    def __init__(
        self,
        cloud: Cloud,
        *,
        clock: Clock = SYSTEM,
        patience: Patience = Patience(),
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._cloud, self._clock, self._patience, self._say = cloud, clock, patience, say

    def send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> requests.Response:
        """The answer to a call, of whatever status.

        A call is sent again after 429, 500, 502, 503, 504, a timeout or a lost connection. One that is not
        ``repeatable`` (by default POST and PATCH) is sent again only after 429, and when it surely reached nobody.
        Raises PipelineError when no attempt gets an answer.
        """
        again = method not in {"POST", "PATCH"} if repeatable is None else repeatable

        def attempt() -> requests.Response:
            try:
                answer = self._once(method, path, body, params)
            except requests.RequestException as error:
                if again or http.was_not_sent(error):
                    raise _Passing(f"{self._cloud.endpoint} does not answer", 0, None, error) from error
                raise
            if answer.status_code == 429 or (again and answer.status_code in PASSING):
                why = f"{self._cloud.endpoint} answered {answer.status_code} to {method} {path}"
                raise _Passing(why, _asked(answer), answer, None)
            return answer

        try:
            return retrying(self._clock, self._patience.total, self._say)(attempt)
        except _Passing as last:
            if last.answer is None:
                raise PipelineError(f"{self._cloud.endpoint} does not answer.", str(last.error)) from last
            return last.answer
        except requests.RequestException as error:
            raise PipelineError(f"{self._cloud.endpoint} does not answer.", str(error)) from error

    def _once(self, method: str, path: str, body: object, params: Mapping[str, Any] | None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._cloud.token}"}
        with http.Session(self._patience.attempt, _MOST_BYTES) as session:
            url = f"{self._cloud.endpoint}/v2/{path}"
            return session.request(method, url, json=body, params=params, headers=headers, allow_redirects=False)


def _asked(answer: requests.Response) -> float:
    """The seconds of Retry-After, which is a number or a date; 0 when there is none."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0) if value else 0.0
    except ValueError:
        return 0.0
