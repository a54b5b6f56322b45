"""The command line. What fails says one sentence (✗) and a hint below it, and exits 1."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from localocean import client, daemon, overview, visits
from localocean.config import Config, ConfigError
from localocean.host.errors import HostError
from localocean.host.run import run
from localocean.terminal import complain, forgive, show, tell

UMASK = 0o022
"""The same for all that runs here, whoever calls. A file that is not for everybody is made with its own mode."""

Verb = Callable[[Config, argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the result is the exit code."""
    os.umask(UMASK)
    forgive()
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    arguments.words = words
    try:
        code = VERBS[arguments.verb](Config.from_environment(os.environ), arguments)
        sys.stdout.flush()
        return code
    except (ConfigError, HostError) as error:
        complain(error.message, error.hint)
    except PermissionError as error:
        complain(f"{error.filename} may not be touched: {error.strerror}.", "Run this as root.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read has seen enough; the exit must not flush into it
    except OSError as error:
        complain(f"The system refuses: {error}.", "See what is there, and whether its disk is full.")
    except KeyboardInterrupt:
        complain("Interrupted.")
        return 130
    return 1


def up(config: Config, arguments: argparse.Namespace) -> int:
    health = client.health(config) if os.access(config.state / "credentials.json", os.R_OK) else None
    if health is None:
        _become_root(arguments)
        health = daemon.start(config, tell)
    for slug, state in health.bases.items():
        if state == "making":
            tell(f"Making the base image {slug} in the background (first time about a minute); droplets wait for it.")
        if state == "failed":
            tell(f"The base image {slug} could not be made; see: localocean status")
    described = daemon.describe(config, health)
    show(json.dumps(described) if arguments.json else f"The local cloud answers at {described['endpoint']}.")
    return 0


def down(config: Config, arguments: argparse.Namespace) -> int:
    if not config.state.is_dir():
        show("The local cloud is not there.")
        return 0
    _become_root(arguments)
    ran = daemon.stop(config)
    show("The local cloud is down; its records are kept." if ran else "The local cloud was not running.")
    return 0


def status(config: Config, arguments: argparse.Namespace) -> int:
    health = client.health(config)
    if health is None:
        if not arguments.json:
            raise client.not_running(config)
        show(json.dumps({"running": False, "state": str(config.state)}))
        return 1
    found, bytes_of = client.status(config), client.usage(config)
    for kind in ("droplets", "databases", "images"):
        for each in found[kind]:
            each["bytes"] = bytes_of[kind].get(str(each["id"]), 0)
    if arguments.json:
        show(json.dumps({"running": True, **found}))
        return 0
    for line in overview.render(found, str(daemon.describe(config, health)["endpoint"])):
        show(line)
    return 0


def logs(config: Config, arguments: argparse.Namespace) -> int:
    _become_root(arguments)
    visits.logs(config, follow=arguments.follow)
    return 0


def console(config: Config, arguments: argparse.Namespace) -> int:
    _become_root(arguments)
    visits.console(config, arguments.droplet, follow=arguments.follow)
    return 0


def ssh(config: Config, arguments: argparse.Namespace) -> int:
    return visits.ssh(config, arguments.droplet, arguments.identity, arguments.command)


def shell(config: Config, arguments: argparse.Namespace) -> int:
    _become_root(arguments)
    return visits.shell(config, arguments.droplet, arguments.command)


def reset(config: Config, arguments: argparse.Namespace) -> int:
    if not config.state.is_dir():
        show("The local cloud is not there.")
        return 0
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise HostError("This removes every droplet, image and address.", "Repeat it with --yes.")
        sys.stderr.write(f"Remove every droplet, image and address in {config.state}? [y/N] ")
        if input().strip().lower() not in ("y", "yes"):
            return 1
    _become_root(arguments, "--yes")
    daemon.reset(config)
    show("The local cloud is down and empty.")
    return 0


def env(config: Config, arguments: argparse.Namespace) -> int:
    health = client.health(config)
    if health is None:
        raise client.not_running(config)
    described = daemon.describe(config, health)
    for name, value in (
        ("DIGITALOCEAN_API_URL", described["endpoint"]),
        ("DIGITALOCEAN_END_POINT", f"{described['endpoint']}/v2/"),
        ("DIGITALOCEAN_TOKEN", described["token"]),
        ("DIGITALOCEAN_ACCESS_TOKEN", described["token"]),
        ("LOCALOCEAN_HTTPS_ENDPOINT", described["https"]["endpoint"]),
        ("LOCALOCEAN_CA", described["https"]["ca"]),
        ("REQUESTS_CA_BUNDLE", described["https"]["ca_bundle"]),
    ):
        show(f"export {name}={shlex.quote(str(value))}")
    return 0


def serve(config: Config, arguments: argparse.Namespace) -> int:
    _become_root(arguments)
    from localocean.server import serve as run_server

    run_server(config)
    return 0


VERBS: dict[str, Verb] = {
    "up": up,
    "down": down,
    "status": status,
    "logs": logs,
    "console": console,
    "ssh": ssh,
    "shell": shell,
    "env": env,
    "reset": reset,
    "serve": serve,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("localocean", description="A DigitalOcean of your own, on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    start = verbs.add_parser("up", help="start the cloud, or find it running")
    start.add_argument("--json", action="store_true", help="print endpoint, token, state, pid and network")
    verbs.add_parser("down", help="power everything off; the records stay")
    look = verbs.add_parser("status", help="what is there, what runs, how large it is, what went wrong")
    look.add_argument("--json", action="store_true", help="the same for programs")
    log = verbs.add_parser("logs", help="the server's log: a line for each request and each action")
    printed = verbs.add_parser("console", help="what a droplet or database printed on its console since its start")
    enter = verbs.add_parser("ssh", help="log in to a droplet as root, with a key that it was created with")
    inside = verbs.add_parser("shell", help="be root in a droplet or a database machine, without key or network")
    for verb in (printed, enter, inside):
        verb.add_argument("droplet", metavar="DROPLET", help="its id or name")
    for verb in (log, printed):
        verb.add_argument("-f", "--follow", action="store_true", help="go on showing what is added")
    enter.add_argument("-i", "--identity", metavar="FILE", help="the private key; by default what ssh has")
    for verb in (enter, inside):
        verb.add_argument("command", nargs="*", metavar="-- COMMAND", help="run this instead of a shell")
    verbs.add_parser("env", help="print the exports for other tools")
    empty = verbs.add_parser("reset", help="remove everything but the token")
    empty.add_argument("--yes", action="store_true", help="do not ask")
    verbs.add_parser("serve", help="run the server in the foreground")
    return parser


def _become_root(arguments: argparse.Namespace, *more: str) -> None:
    """Go on as root by sudo, with `more` arguments. Raises HostError when there is none."""
    if os.geteuid() == 0:
        return
    settings = [f"{name}={value}" for name, value in daemon.environment().items()]
    command = ["env", *settings, sys.executable, "-P", "-m", "localocean", *arguments.words, *more]
    try:
        if not sys.stdin.isatty():
            run(["sudo", "-n", "true"])
        os.execvp("sudo", ["sudo", *command])
    except FileNotFoundError:
        raise HostError("The local cloud needs root, and there is no sudo.", "Run this as root.") from None
    except HostError as error:
        raise HostError(f"The local cloud needs root: {error.message}", "Run this in a terminal, or as root.") from None
