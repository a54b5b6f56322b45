"""Starting and ending the server from another process. Nothing heavy is imported until it is needed."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from localocean import client, credentials, log
from localocean.config import Config
from localocean.host.errors import HostError
from localocean.lock import private, server_pid

START_SECONDS = 60.0
STOP_SECONDS = 120.0
REMOVE_SECONDS = 600.0
POLL_SECONDS = 0.05
LOG = "server.log"
OWNER = ("SUDO_UID", "SUDO_GID")
DATA = ("disks", "layers", "machines", "databases/backups")

Progress = Callable[[str], None]


def start(config: Config, progress: Progress) -> client.Health:
    """Bring the server up unless it is; returns when it answers. Needs root. Raises HostError."""
    from localocean.host import requirements

    install(requirements.missing(), progress)
    requirements.check(config)
    config.state.mkdir(mode=0o711, parents=True, exist_ok=True)
    with open(config.state / "up.lock", "w", opener=private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _wait(lambda: client.health(config) or not server_pid(config), STOP_SECONDS)
        return client.health(config) or _launch(config)


def install(packages: list[str], progress: Progress) -> None:
    """Install what the host lacks. Raises HostError with the command when that fails."""
    if not packages:
        return
    from localocean.host.run import run

    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    progress(f"Installing {', '.join(packages)}")
    try:
        run(["apt-get", "update"], check=False, timeout=600)
        run(["env", f"--unset={OWNER}", "DEBIAN_FRONTEND=noninteractive", *command], timeout=1800)
    except HostError as error:
        raise HostError(
            f"This machine lacks {', '.join(packages)}, and they could not be installed: {error.message}",
            f"Run: {' '.join(command)}",
        ) from None


def stop(config: Config) -> bool:
    """End the server and everything that it runs; the records stay. False when nothing ran. Needs root."""
    from localocean.cleanup import teardown

    pid = server_pid(config)
    if pid:
        os.kill(pid, signal.SIGTERM)
        if not _wait(lambda: server_pid(config) is None, STOP_SECONDS):
            os.kill(pid, signal.SIGKILL)
    if (config.state / "config.json").exists():
        teardown(config)
    return pid is not None


def reset(config: Config) -> None:
    """Remove everything but the token: machines, records, disks, layers. Needs root."""
    from localocean.host.run import run

    if client.health(config):
        with suppress(HostError):  # what the server cannot remove is removed below, without it
            client.reset(config)
    stop(config)
    for name in DATA:
        run(["rm", "-rf", "--one-file-system", str(config.state / name)], timeout=REMOVE_SECONDS)
    for path in (*config.state.glob("cloud.db*"), config.state / "config.json"):
        path.unlink(missing_ok=True)


def port_busy(port: int, setting: str) -> HostError:
    """Why a server cannot have its port, and what to do."""
    if client.is_former(port):
        return HostError(
            f"A local cloud of before, when it was called localcloud, still runs and has port {port}.",
            "End it in the checkout that started it: ./invoke cloud.reset, then ./invoke cloud.down. Nothing of it is"
            " taken over: /var/lib/localcloud and /var/cache/localcloud can be removed after that.",
        )
    return HostError(
        f"Port {port} is used by another program.",
        f"Stop that program, or set LOCALOCEAN_{setting} to a free port.",
    )


def _launch(config: Config) -> client.Health:
    from localocean.host.run import spawn

    for port, setting in ((config.port, "PORT"), (config.tls_port, "TLS_PORT")):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise port_busy(port, setting) from None
    output = _log(config)
    begin = output.stat().st_size
    pid = spawn([sys.executable, "-P", "-m", "localocean", "serve"], output, environment())
    alive = Path(f"/proc/{pid}")
    _wait(lambda: client.health(config) or not alive.exists(), START_SECONDS)
    health = client.health(config)
    if health is None:
        sentence, hint = _last_words(output, begin)
        raise HostError(f"The local cloud did not start: {sentence}", hint or f"Look at {output}.")
    return health


def environment() -> dict[str, str]:
    """What another process needs to be about the same cloud with the same code."""
    from localocean.host.run import PASSED_ON

    settings = {key: value for key, value in os.environ.items() if key.startswith("LOCALOCEAN_")}
    passed = {key: os.environ[key] for key in (*OWNER, *PASSED_ON) if key in os.environ}
    package = str(Path(__file__).resolve().parent.parent)
    return settings | passed | {"PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}


def _log(config: Config) -> Path:
    path = config.state / LOG
    os.close(log.make(path))
    return path


def _last_words(path: Path, begin: int) -> tuple[str, str]:
    """What a server said since `begin` of why it ends, and the hint with it."""
    with path.open("rb") as file:
        file.seek(begin)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    for number, line in reversed(list(enumerate(lines))):
        if line.startswith("✗ "):
            return line.removeprefix("✗ "), "\n".join(hint.strip() for hint in lines[number + 1 :])
    return (lines or [f"it said nothing within {START_SECONDS:g} seconds"])[-1], ""


def _wait(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def describe(config: Config, health: client.Health) -> dict[str, Any]:
    """What `up --json` prints. Raises HostError when the token is not ours to read."""
    held = credentials.read(config)
    if held is None:
        raise HostError(
            f"The token of the local cloud in {config.state} belongs to another user.",
            "Run this as the user who brought it up, or with sudo.",
        )
    return {
        "endpoint": held.endpoint,
        "token": held.token,
        "https": {
            "endpoint": f"https://127.0.0.1:{config.tls_port}",
            "ca": str(config.state / "ca.pem"),
            "ca_bundle": str(config.state / "ca-bundle.pem"),
        },
        "state": str(config.state),
        "pid": health.pid,
        "network": {"range": str(config.range), "vpc_range": str(config.vpc_range)},
    }
