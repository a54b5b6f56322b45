"""What a droplet that failed says of itself, kept before it is removed, and without the secrets that it was given."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from slipway.environment.keys import DeployKey
from slipway.environment.reference import Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.redaction import Redactor
from slipway.text import visible
from slipway.tools import ssh
from slipway.verification.app_client import ANSWER_S, AppClient

FROM_INSIDE = {
    "journal.txt": "journalctl --boot --no-pager --output=short-precise",
    "unit.txt": "systemctl status app.service front.service --no-pager --full; systemctl show app.service --no-pager",
    "failed-units.txt": "systemctl --failed --no-pager",
    "cloud-init.txt": "cloud-init status --long; cat /var/log/cloud-init-output.log",
    "cloud-init.log": "cat /var/log/cloud-init.log",
    "listening.txt": "ss --tcp --udp --listening --numeric --processes",
}
_FAILURE, _RESPONSES = "failure.txt", "responses.txt"
COMMAND_S, COMMAND_BYTES = 15.0, 4 << 20
"""What one command may take, and how much of its output is kept."""
COLLECT_S = 60.0
"""What all of them may take."""


def keep(session: Session, release: Release, address: str, error: PipelineError, output: str = "") -> Path:
    """Everything that explains a failure, in the folder that the run has set aside for it, and the error itself.

    ``output`` is what the failed step printed.
    """
    asked = session.environ.get("SLIPWAY_EVIDENCE")
    name = f"{release.key}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder = Path(asked) if asked else session.settings.work / "evidence" / name
    _keep(session, release, address, folder, error, output)
    return folder


def _keep(session: Session, release: Release, address: str, folder: Path, error: PipelineError, output: str) -> None:
    redact = _collect(session.key, folder, release, address)
    if output:
        (folder / "verification.txt").write_text(redact(output))
    lines = [error.message, error.hint, *_last_words(folder)]
    (folder / _FAILURE).write_text(redact("\n".join(filter(None, lines))) + "\n")


def note(folder: Path, error: PipelineError) -> None:
    """Write down an error alone: users may be waiting for the way back, and `complete` collects the rest after it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FAILURE).write_text("\n".join(filter(None, [error.message, error.hint])) + "\n")


def complete(session: Session, release: Release, address: str, folder: Path, output: str = "") -> None:
    """Collect what explains an error that was only noted, if one was."""
    if (folder / _FAILURE).exists() and not (folder / _RESPONSES).exists():
        message, _, hint = (folder / _FAILURE).read_text(errors="replace").strip().partition("\n")
        _keep(session, release, address, folder, PipelineError(message, hint), output)


def failure(folder: Path) -> PipelineError | None:
    """The error that was kept in a folder, with the way to the rest of the evidence."""
    path = folder / _FAILURE
    if not path.exists():
        return None
    message, _, hint = path.read_text(errors="replace").strip().partition("\n")
    told = " (verification.txt: what each test expected)" if (folder / "verification.txt").exists() else ""
    return PipelineError(message, f"{hint}\nThe evidence is in {os.path.relpath(folder)}{told}".strip())


def _collect(key: DeployKey, folder: Path, release: Release, address: str) -> Callable[[str], str]:
    """One file for each question; what cannot be had leaves a file that says why."""
    folder.mkdir(parents=True, exist_ok=True)
    redact = _cleaner(Redactor())
    client_of_app = AppClient.of(release, address, seconds=ANSWER_S)
    ends = time.monotonic() + COLLECT_S
    try:
        with ssh.connect(address, key.identity, key.host_key(release.key).public) as client:
            conf_env = ssh.execute(client, "cat /opt/app/conf.env", timeout=10).output
            redact = _cleaner(Redactor.of_configuration(conf_env, {*release.config, "APP_RELEASE"}))
            for name, command in FROM_INSIDE.items():
                seconds = min(COMMAND_S, ends - time.monotonic())
                try:
                    text = ssh.run(client, command, max(seconds, 0.1), COMMAND_BYTES)
                except OSError as error:
                    text = f"{command}: {error}\n"
                (folder / name).write_text(redact(text))
    except PipelineError as error:
        (folder / "ssh.txt").write_text(redact(f"{error.message}\n"))
    paths = dict.fromkeys(filter(None, (release.contract.health, release.contract.version, "/")))
    (folder / _RESPONSES).write_text(redact("\n".join(_responses(client_of_app, paths))))
    return redact


def _cleaner(redact: Redactor) -> Callable[[str], str]:
    """What makes a text fit to be kept: without secrets, and harmless for the terminal of whoever reads it."""
    return lambda text: visible(redact(text))


def _last_words(folder: Path) -> list[str]:
    """What the app itself says is wrong: why it is not ready, and the last error that it logged."""
    said = []
    for text in (_text(folder / _RESPONSES), _text(folder / "journal.txt")):
        for line in reversed(text.splitlines()):
            found = re.search(r"\{.*\}", line)
            event = _json(found[0]) if found else {}
            if event.get("status") == "unavailable":
                said.append(f"The app is not ready: {event.get('reason', 'it does not say why')}.")
                break
            if event.get("level") == "ERROR":
                details = {name: value for name, value in event.items() if name not in {"time", "level", "msg"}}
                said.append(f"The app says: {event.get('msg')} {json.dumps(details) if details else ''}".rstrip())
                break
    return said


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _responses(app: AppClient, paths: Iterable[str]) -> Iterator[str]:
    """What it answers; who does not answer at all is asked but once."""
    for path in paths:
        try:
            answer = app.ask(path)
        except requests.RequestException as error:
            yield f"GET {app.base}{path}\n{error}\n"
            if isinstance(error, requests.ConnectionError):
                return
            continue
        headers = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
        text = answer.content[:4000].decode(errors="replace")
        yield f"GET {app.base}{path}\n{answer.status_code} {answer.reason}\n{headers}\n{text}\n"
