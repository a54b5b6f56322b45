"""Verbs for the local cloud, which is a program of its own: each calls its command line."""

from __future__ import annotations

import shlex
import sys

from slipway.tools.programs.environment import DOWNLOADS, LOCALOCEAN
from slipway.verbs.verb import ROOT, attached, verb, words_after_dashes


def _localocean(*arguments: str) -> None:
    attached([sys.executable, "-m", "localocean", *arguments], LOCALOCEAN, DOWNLOADS)


@verb(name="up")
def up() -> None:
    """Start the local cloud, unless it runs."""
    _localocean("up")


@verb(name="down")
def down() -> None:
    """Stop the local cloud; what is in it is there again after the next start."""
    _localocean("down")


@verb(name="status", json="as JSON")
def status(json: bool = False) -> None:
    """Show the local cloud's droplets, images, addresses and their sizes on disk."""
    _localocean("status", *(["--json"] if json else []))


@verb(name="logs", follow="go on showing what is added")
def logs(follow: bool = False) -> None:
    """Show the local cloud's log: a line for each request and each action."""
    _localocean("logs", *(["--follow"] if follow else []))


@verb(name="console", droplet="its id or name", follow="go on showing what is added")
def console(droplet: str, follow: bool = False) -> None:
    """Show what a droplet printed on its console since it was started."""
    _localocean("console", *(["--follow"] if follow else []), droplet)


@verb(
    name="ssh",
    droplet="its id or name",
    command="run this instead of a shell; the same as -- COMMAND",
    key="the private key; by default the deploy key of the environment local, where there is one",
)
def ssh(droplet: str, command: str | None = None, key: str | None = None) -> None:
    """Log in to a droplet of the local cloud as root."""
    deploy_key = ROOT / ".slipway" / "local" / "id_ed25519"
    identity = key or (str(deploy_key) if deploy_key.exists() else None)
    words = [command] if command else words_after_dashes()
    _localocean("ssh", *(["-i", identity] if identity else []), droplet, *(["--", *words] if words else []))


@verb(
    name="shell",
    droplet="its id or name",
    command="run these words instead of a shell; the same as -- COMMAND",
)
def shell(droplet: str, command: str | None = None) -> None:
    """Be root in a droplet of the local cloud, without key or network."""
    words = shlex.split(command) if command else words_after_dashes()
    _localocean("shell", droplet, *(["--", *words] if words else []))


@verb(name="env")
def env() -> None:
    """Print the exports that point other tools at the local cloud: eval "$(./invoke cloud.env)"."""
    _localocean("env")


@verb(name="reset", yes="do not ask")
def reset(yes: bool = False) -> None:
    """Remove everything in the local cloud."""
    _localocean("reset", *(["--yes"] if yes else []))
