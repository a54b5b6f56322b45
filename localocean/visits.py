"""Looking into a cloud and going into its droplets: logs, console, ssh, shell."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from localocean import client
from localocean.config import Config
from localocean.host import enter
from localocean.host.errors import HostError
from localocean.host.machines import Machines
from localocean.host.run import attached, printed
from localocean.terminal import harmless, show

LINES = 200
LONGEST_LINE = 65536
REFUSED = 255
"""What ssh exits with when it is ssh itself that failed."""


def logs(config: Config, *, follow: bool) -> None:
    """Show the server's log. Needs root. Raises HostError when there is none."""
    _view(config.state / "server.log", str(LINES), follow=follow)


def console(config: Config, droplet: str, *, follow: bool) -> None:
    """Show what a droplet printed since it was started, also when the server is dead. Needs root."""
    path = Machines(config).console(int(droplet) if droplet.isdecimal() else 0)
    if not path.exists():
        path = Machines(config).console(client.machine(config, droplet))
    if not path.exists():
        raise HostError(f"There is no droplet {droplet} that was ever started.", "See them: localocean status")
    _view(path, "+1", follow=follow)


def ssh(config: Config, droplet: str, identity: str | None, words: Sequence[str]) -> int:
    """Log in as root by the user's own ssh and keys; the exit code is that of ssh. Raises HostError."""
    found = client.droplet(config, droplet)
    code = attached(ssh_command(client.login(config, found["id"]), identity, words))
    if code == REFUSED and _read():
        raise HostError(
            f"ssh did not get into droplet {found['id']}; it lets in the keys that it was created with.",
            f"Give the key: localocean ssh -i FILE {droplet}\nNone is needed by: localocean shell {droplet}",
        )
    return code


def shell(config: Config, droplet: str, words: Sequence[str]) -> int:
    """Run words, or a shell, as root in the droplet; the exit code is theirs. Needs root. Raises HostError."""
    return enter.attach(f"{config.unit_prefix}{client.machine(config, droplet)}", words)


def ssh_command(login: dict[str, object], identity: str | None, words: Sequence[str]) -> list[str]:
    """ssh that knows the droplet by the key on its disk, and asks, learns and remembers nothing."""
    keys = login["host_keys"]
    assert isinstance(keys, list)
    options = {
        "KnownHostsCommand": f"/bin/echo {login['address']} {keys[0]}",
        "HostKeyAlgorithms": _algorithms(str(keys[0]).split()[0]),
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
    }
    chosen = ["-i", identity] if identity else []
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", *settings, *chosen, f"root@{login['address']}", *words]


def _algorithms(key_type: str) -> str:
    """An RSA key signs by newer names than its own."""
    return "rsa-sha2-512,rsa-sha2-256" if key_type == "ssh-rsa" else key_type


def _read() -> bool:
    """Whether anybody still reads what we print; ssh says nothing else when nobody does."""
    output = select.poll()
    output.register(1, 0)
    return not output.poll(0)


def _view(path: Path, lines: str, *, follow: bool) -> None:
    if not path.exists():
        raise HostError(f"There is no {path}.", "Start the cloud: localocean up")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads no further, as `| head` does, ends it without a word
    options = ["-F", f"--pid={os.getpid()}"] if follow else []
    argv = ["tail", f"--lines={lines}", *options, "--", str(path)]
    for line in printed(argv, LONGEST_LINE):
        show(harmless(line))
        if follow:
            sys.stdout.flush()
