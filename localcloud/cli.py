"""The command line: up, down, status, reset, env, serve. What fails says one sentence and a hint, and exits 1."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from localcloud import client, daemon
from localcloud.config import Config, ConfigError
from localcloud.host.errors import HostError

Verb = Callable[[Config, argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the result is the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return VERBS[arguments.verb](Config.from_environment(os.environ), arguments)
    except (ConfigError, HostError) as error:
        _fail(error.message, error.hint)
    except PermissionError as error:
        _fail(f"{error.filename} may not be touched: {error.strerror}.", "Run this as root.")
    except KeyboardInterrupt:
        _fail("Interrupted.")
    return 1


def up(config: Config, arguments: argparse.Namespace) -> int:
    health = client.health(config)
    if health is None or not os.access(config.state / "credentials.json", os.R_OK):
        _become_root(arguments)
        health = daemon.start(config, _tell)
    for slug, state in health.bases.items():
        if state == "making":
            _tell(f"Making the base image {slug} in the background (first time about a minute); droplets wait for it.")
        if state == "failed":
            _tell(f"The base image {slug} could not be made; see: localcloud status")
    described = daemon.describe(config, health)
    _print(json.dumps(described) if arguments.json else f"The local cloud answers at {described['endpoint']}.")
    return 0


def down(config: Config, arguments: argparse.Namespace) -> int:
    if not config.state.is_dir():
        _print("The local cloud is not there.")
        return 0
    _become_root(arguments)
    ran = daemon.stop(config)
    _print("The local cloud is down; its records are kept." if ran else "The local cloud was not running.")
    return 0


def status(config: Config, arguments: argparse.Namespace) -> int:
    if client.health(config) is None:
        if arguments.json:
            _print(json.dumps({"running": False, "state": str(config.state)}))
        else:
            _fail(f"The local cloud in {config.state} is not running.", "Start it: localcloud up")
        return 1
    found = client.status(config)
    if arguments.json:
        _print(json.dumps({"running": True, **found}))
        return 0
    _print(f"The local cloud in {found['state']} runs as process {found['pid']}.")
    for slug, base in found["bases"].items():
        _print(f"  base {slug}: {base['state']} {base.get('reason', '')}".rstrip())
    for droplet in found["droplets"]:
        _print(f"  droplet {droplet['id']} {droplet['name']}: {droplet['status']}, {droplet['address']}")
    for address, droplet_id in found["floating_ips"].items():
        _print(f"  floating IP {address}: {f'droplet {droplet_id}' if droplet_id else 'unassigned'}")
    for error in found["errors"]:
        _print(f"  {error['at']} {error['type']} of {error['resource_id']} failed: {error['reason']}")
    return 0


def reset(config: Config, arguments: argparse.Namespace) -> int:
    if not config.state.is_dir():
        _print("The local cloud is not there.")
        return 0
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise HostError("This removes every droplet, image and address.", "Repeat it with --yes.")
        sys.stderr.write(f"Remove every droplet, image and address in {config.state}? [y/N] ")
        if input().strip().lower() not in ("y", "yes"):
            return 1
        arguments.yes = True
    _become_root(arguments)
    daemon.reset(config)
    _print("The local cloud is down and empty.")
    return 0


def env(config: Config, arguments: argparse.Namespace) -> int:
    health = client.health(config)
    if health is None:
        raise HostError(f"The local cloud in {config.state} is not running.", "Start it: localcloud up")
    described = daemon.describe(config, health)
    for name, value in (
        ("DIGITALOCEAN_API_URL", described["endpoint"]),
        ("DIGITALOCEAN_END_POINT", f"{described['endpoint']}/v2/"),
        ("DIGITALOCEAN_TOKEN", described["token"]),
        ("DIGITALOCEAN_ACCESS_TOKEN", described["token"]),
    ):
        _print(f"export {name}={shlex.quote(str(value))}")
    return 0


def serve(config: Config, arguments: argparse.Namespace) -> int:
    _become_root(arguments)
    from localcloud.server import serve as run_server

    run_server(config)
    return 0


VERBS: dict[str, Verb] = {
    "up": up,
    "down": down,
    "status": status,
    "reset": reset,
    "env": env,
    "serve": serve,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("localcloud", description="A DigitalOcean of your own, on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    start = verbs.add_parser("up", help="start the cloud, or find it running")
    start.add_argument("--json", action="store_true", help="print endpoint, token, state, pid and network")
    verbs.add_parser("down", help="power everything off; the records stay")
    show = verbs.add_parser("status", help="what is there, what runs, what went wrong")
    show.add_argument("--json", action="store_true")
    empty = verbs.add_parser("reset", help="remove everything but the token")
    empty.add_argument("--yes", action="store_true", help="do not ask")
    verbs.add_parser("env", help="print the exports for other tools")
    verbs.add_parser("serve", help="run the server in the foreground")
    return parser


def _become_root(arguments: argparse.Namespace) -> None:
    """Go on as root by sudo. Raises HostError when there is none."""
    if os.geteuid() == 0:
        return
    options = [f"--{name}" for name in ("json", "yes") if getattr(arguments, name, False)]
    settings = [f"{name}={value}" for name, value in daemon.environment().items()]
    command = ["env", *settings, sys.executable, "-m", "localcloud", arguments.verb, *options]
    try:
        os.execvp("sudo", ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command])
    except FileNotFoundError:
        raise HostError("The local cloud needs root, and there is no sudo.", "Run this as root.") from None


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _fail(message: str, hint: str = "") -> None:
    """What went wrong in a sentence, and below it what to do about it."""
    _tell(f"✗ {message}")
    for line in hint.splitlines():
        _tell(f"  {line}")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
