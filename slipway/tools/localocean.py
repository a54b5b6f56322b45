"""The local cloud, as the outside tool that it is: its command line and the address that it gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slipway.config import Cloud, is_loopback
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.tools.files import write_private
from slipway.tools.http import Session
from slipway.tools.programs import children
from slipway.tools.programs.environment import DOWNLOADS, LOCALOCEAN, compose

_HEALTH_S = 2.0


class LocalCloud:
    """The local cloud that LOCALOCEAN_… in the environment names, by default the user's one."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress
        self._memory = root / ".slipway" / "localocean.json"

    def up(self) -> Cloud:
        """Start it unless it runs; raises PipelineError in its own words when it cannot."""
        answer = self._remembered() or self._started()
        return Cloud("local", answer["endpoint"], answer["token"])

    def of(self, environ: Mapping[str, str]) -> Cloud:
        """The local cloud that the exports of `localocean env` name, else the user's one, which is started.

        Raises PipelineError when they name one that does not run.
        """
        url, token = environ.get("DIGITALOCEAN_API_URL", "").rstrip("/"), environ.get("DIGITALOCEAN_TOKEN", "")
        if not (is_loopback(url) and token):
            return self.up()
        if _listens(url):
            return Cloud("local", url, token)
        if (own := self.up()).endpoint != url:
            raise PipelineError(
                f"DIGITALOCEAN_API_URL names a local cloud at {url}, and nothing answers there.",
                f"unset DIGITALOCEAN_API_URL DIGITALOCEAN_TOKEN uses the one at {own.endpoint}.",
            )
        return own

    def _remembered(self) -> Mapping[str, Any] | None:
        """The last answer of `localocean up`, if the same server still runs; None otherwise. It saves 0.2 seconds."""
        try:
            remembered = json.loads(self._memory.read_text())
            answer: Mapping[str, Any] = remembered["answer"]
            if remembered["settings"] != _settings():
                return None
            with Session(_HEALTH_S) as session:
                health = session.get(f"{answer['endpoint']}/_localocean/health").json()
            runs = (health["pid"], health["state"]) == (answer["pid"], answer["state"])
            return answer if runs and "making" not in health["bases"].values() else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _started(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = json.loads(self._run("up", "--json"))
        with suppress(OSError):  # a folder of another user's
            write_private(self._memory, json.dumps({"settings": _settings(), "answer": answer}))
        return answer

    def _run(self, *args: str) -> str:
        # Its progress (standard error) goes straight to whoever watches; only its answer is ours.
        argv = [sys.executable, "-m", "localocean", *args]
        options: dict[str, Any] = {"cwd": self._root, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        composed = compose(LOCALOCEAN, DOWNLOADS).items()
        # A cloud that a run starts is not the run's, and goes on when the run dies.
        options |= {"env": {name: value for name, value in composed if not name.startswith("SLIPWAY_")}}
        with children.started(argv, terminal=True, **options) as program:
            answer, _ = program.communicate()
        if program.returncode != 0:
            raise PipelineError("The local cloud did not start.", "What it said stands above; ./invoke cloud.status.")
        return str(answer)


def _settings() -> dict[str, str]:
    """The variables that decide which local cloud is meant."""
    return {name: value for name, value in os.environ.items() if name.startswith("LOCALOCEAN_") or name == "HOME"}


def _listens(url: str) -> bool:
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 80), timeout=2):
            return True
    except (OSError, ValueError):
        return False
