"""Raw requests to a local cloud, and waiting for what they bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from localocean.host.errors import HostError
from slipway.config import Cloud

SECONDS = 300

T = TypeVar("T")


def call(cloud: Cloud, method: str, path: str, body: object = None) -> Any:
    """What a request that has to succeed answers."""
    headers = {"Authorization": f"Bearer {cloud.token}"}
    answer = requests.request(method, f"{cloud.endpoint}/v2/{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def until(question: Callable[[], T | None], complaint: str, pause: float = 0.02) -> T:
    """The first answer that is something; raises TimeoutError with the complaint."""
    deadline = time.monotonic() + SECONDS
    while not (found := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"After {SECONDS} seconds {complaint}.")
        time.sleep(pause)
    return found


def finish(cloud: Cloud, action: int) -> None:
    """Wait until an action is completed; raises HostError when it errored."""

    def ended() -> str | None:
        status: str = call(cloud, "GET", f"actions/{action}")["action"]["status"]
        return status if status != "in-progress" else None

    status = until(ended, f"action {action} is under way", pause=0.005)
    if status != "completed":
        raise HostError(f"Action {action} is {status}.", "localocean status tells why.")
