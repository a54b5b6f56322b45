"""The app's own command line on a droplet, over SSH: what it says is JSON, and its failures have a reason."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import ssh

_SETTLED = "cloud-init status --wait"
_CONFIGURATION = ("/opt/app/conf.env", "/opt/app/image.env")
_STOP_S = 10
"""Seconds that the app has to end in order when its time is over."""


class Refused(Exception):
    """The app did not do what it was asked: ``reason`` is one of its own words, ``error`` its sentence."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.reason = str(answer.get("reason", ""))
        self.error = str(answer.get("error", "")).rstrip(".")
        super().__init__(self.error)


class App:
    """The binary of one droplet, run there as the user that it always is, with the release's own settings."""

    def __init__(self, client: ssh.Client, release: str) -> None:
        self._client = client
        self.release = release

    def database_user(self) -> str:
        """The user as whom the release asks its database; empty when it was given none."""
        name = r"s|^APP_DATABASE_URL=\"[a-z]*://\([^:]*\):.*|\1|p"
        return ssh.execute(self._client, f"sed -n {shlex.quote(name)} {_CONFIGURATION[0]}", timeout=10).output.strip()

    def ask(self, *arguments: str, stdin: Mapping[str, str] | None = None, seconds: float = 30) -> dict[str, Any]:
        """The answer of `app ARGUMENTS`, which is stopped after so many seconds.

        Raises Refused when the app says why not, and PipelineError when it says nothing.
        """
        files = [word for path in _CONFIGURATION for word in ("-p", f"EnvironmentFile={path}")]
        settings = ["--quiet", "--wait", "--pipe", "--collect", "--uid=app"]
        limits = ["-p", f"RuntimeMaxSec={seconds:.0f}", "-p", f"TimeoutStopSec={_STOP_S}"]
        command = shlex.join(["systemd-run", *settings, *limits, *files, "/opt/app/app", *arguments])
        start = time.monotonic()
        result = ssh.execute(
            self._client, command, stdin=json.dumps(stdin) if stdin else "", timeout=seconds + _STOP_S + 5
        )
        answer = _answer(result.output)
        if answer is not None and result.status == 0:
            return answer
        if answer is not None:
            raise Refused(answer)
        if time.monotonic() - start >= seconds:
            raise Refused({"reason": "timeout", "error": f"it was stopped after {seconds:.0f} s"})
        what = f"`app {arguments[0]}` of {self.release}"
        raise PipelineError(f"{what} ended with status {result.status} and no answer.", result.errors.strip()[-500:])


def _answer(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


@contextmanager
def app(session: Session, release: str, address: str, *, settle: float = 0) -> Iterator[App]:
    """The app on the droplet of a release; one that boots is given `settle` seconds to become whole.

    Raises PipelineError when the droplet cannot be reached.
    """
    key = session.key
    with ssh.connect(address, key.identity, key.host_key(release).public, patience=settle) as client:
        if settle:
            ssh.execute(client, f"timeout {settle:.0f} {_SETTLED}", timeout=settle + 15)
        yield App(client, release)
