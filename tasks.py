"""The verbs. Each is a few lines: what it does lives in `pipeline/`, and the local cloud is a program of its own."""

from __future__ import annotations

import functools
import json as jsonlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.executor import Executor
from invoke.tasks import Call, task

from pipeline import ages, bake, boot, drill, given, history, reference, report_page, rotation, runs, suites
from pipeline import backup as backups
from pipeline import cost as costs
from pipeline import diff as comparing
from pipeline import heal as healing
from pipeline import migration as migrating
from pipeline import reap as reaping
from pipeline import release as releasing
from pipeline import report as reporting
from pipeline import restore as restoring
from pipeline import status as world
from pipeline import takeover as taking
from pipeline import verify as verification
from pipeline.config import CutoverSettings, Project, choose_environment
from pipeline.errors import PipelineError, in_a_sentence
from pipeline.given import count, settings
from pipeline.image import version_of
from pipeline.ledger import Ledger
from pipeline.progress import Progress
from pipeline.redaction import hide
from pipeline.reference import Reference
from pipeline.release import How
from pipeline.session import Session
from pipeline.text import visible
from pipeline.tools import checks
from pipeline.tools import environment as surroundings
from pipeline.tools.children import ended_by_signals
from pipeline.tools.process import attach
from pipeline.tools.provider import locked_version
from pipeline.tools.toolchain import Toolchain

ROOT = Path(__file__).resolve().parent
SHARED = ("version", "environment", "dirty")
ENVIRONMENT_HELP = "the environment; by default local without a token and production with one"
RELEASE_HELP = {
    "keep_failed": "leave the droplet of a release that fails, to look at",
    "commit": "commit the reference file",
    "max_lost": "go back when more requests than this are lost while the address moves; by default as in slipway.toml",
    "max_gap": "go back when for longer than this nothing answers, such as 500ms; by default as in slipway.toml",
    "soak": "look after the release for so long once it is live, such as 60s, and go back when it is not fit;"
    " by default as in slipway.toml",
    "force": "why a release that was gone back from is made live again",
}
Verb = TypeVar("Verb", bound=Callable[..., None])


class SharingExecutor(Executor):
    """`invoke build deploy --version v2` gives both tasks v2; plain Invoke gives it to the last alone."""

    def normalize(self, tasks: Any) -> list[Call]:
        """Hand each shared argument to the tasks of the line that take it and were not given it.

        What cannot be meant is refused here, before the first task begins.
        """
        calls: list[Call] = super().normalize(tasks)
        if _words_after_dashes() and not any(call.task.body in (cloud_ssh.body, cloud_shell.body) for call in calls):
            hint = "cloud.ssh and cloud.shell take a command there."
            raise _exit("No verb of this line takes the words after --.", hint)
        for call in calls:
            try:
                given.check(call.kwargs, _spelt(call))
            except PipelineError as error:
                raise _exit(error.message, error.hint) from error
        for name in SHARED:
            shared = [call.kwargs[name] for call in calls if call.kwargs.get(name)]
            for call in calls:
                if shared and name in call.kwargs and not call.kwargs[name]:
                    call.kwargs[name] = shared[0]
        return calls


def _words_after_dashes() -> list[str]:
    """The words of the command line after `--`, as they were given; Invoke joins them into one text."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _spelt(call: Call) -> dict[str, str]:
    """How a person writes the arguments of a task."""
    arguments = call.task.get_arguments()
    return {each.name or "": each.names[0] if each.positional else f"--{each.names[0]}" for each in arguments}


def verb(*, iterable: Sequence[str] = (), **help: str) -> Callable[[Verb], Any]:
    """A task whose foreseen failures end in one sentence, a hint and a non-zero exit status."""

    def decorate(function: Verb) -> Any:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            _say_what_is_ignored()
            try:
                with ended_by_signals(), in_a_sentence():
                    function(*args, **kwargs)
            except PipelineError as error:
                raise _exit(error.message, error.hint) from error
            except KeyboardInterrupt as error:
                raise Exit("\n✗ Interrupted. ./invoke status says where things stand.", code=130) from error

        return task(help=help, iterable=iterable)(run)

    return decorate


@functools.cache
def _say_what_is_ignored() -> None:
    """Once, however many verbs stand on the line."""
    if said := surroundings.notice(surroundings.ignored()):
        Progress().say(f"  · {said}")


def _exit(message: str, hint: str) -> Exit:
    said = hide("\n".join(["", f"✗ {message}", *(f"  {line}" for line in hint.splitlines())]))
    return Exit(visible(said), code=1)


def _show(text: str) -> None:
    """A result for a person, or JSON, which has nothing in it that this would change."""
    sys.stdout.write(f"{visible(text)}\n")


def _json(data: object) -> str:
    return jsonlib.dumps(data, indent=2).replace("\x7f", "\\u007f")  # the one that it leaves as it is


@verb(
    version="the version; by default the tag at HEAD, else git describe",
    environment=ENVIRONMENT_HELP,
    dirty="build what is not committed, and say so in the version",
)
def build(c: Context, version: str | None = None, environment: str | None = None, dirty: bool = False) -> None:
    """Bake the image of a version, unless the same inputs were baked before."""
    session = Session(ROOT, os.environ, environment)
    with runs.recorded(session, f"build {version or ''}".strip()):
        image = bake.build(session, version, dirty=dirty)
    c.config["built"] = version_of(session.settings.names, image) or ""  # for a deploy on the same line
    _show(image.name)


@verb(
    iterable=["set"],
    version="the version to make live; without it, what the reference file says",
    environment=ENVIRONMENT_HELP,
    dirty="the version as it was built with --dirty",
    set="a setting of the app as KEY=VALUE; may be repeated, the others stay as they are",
    size="the slug of the droplet's size, such as s-2vcpu-2gb",
    no_standby="retire the release before at once",
    plan="only say what would be done",
    json="with --plan: as JSON",
    **RELEASE_HELP,
)
def deploy(
    c: Context,
    version: str | None = None,
    environment: str | None = None,
    dirty: bool = False,
    set: list[str] | None = None,
    size: str | None = None,
    no_standby: bool = False,
    keep_failed: bool = False,
    commit: bool = False,
    max_lost: int | None = None,
    max_gap: str | None = None,
    soak: str | None = None,
    force: str | None = None,
    plan: bool = False,
    json: bool = False,
) -> None:
    """Make a version live, or the world what git says: create, verify, move the address, confirm, retire."""
    session = Session(ROOT, os.environ, environment)
    asked: str | None = c.config.get("built") or (f"{version}-dirty" if version and dirty else version)
    limits = _limits(session, max_lost, max_gap, soak)
    how = How(standby=not no_standby, keep_failed=keep_failed, commit=commit, limits=limits, force=force or "")
    if plan:
        planned = releasing.plan(session, asked, how, config=settings(set or []), size=size)
        _show(_json(planned.as_json()) if json else f"This would {planned.sentence}.")
        return
    now = releasing.deploy(session, asked, how, config=settings(set or []), size=size)
    _say_live(session, now)


@verb(
    environment=ENVIRONMENT_HELP,
    **RELEASE_HELP,
)
def rollback(
    c: Context,
    environment: str | None = None,
    keep_failed: bool = False,
    commit: bool = False,
    max_lost: int | None = None,
    max_gap: str | None = None,
    soak: str | None = None,
    force: str | None = None,
) -> None:
    """Go back to the standby, or to the release before the live one; what was gone back from is marked and refused."""
    session = Session(ROOT, os.environ, environment)
    limits = _limits(session, max_lost, max_gap, soak)
    how = How(keep_failed=keep_failed, commit=commit, limits=limits, force=force or "")
    _say_live(session, releasing.rollback(session, how))


@verb(
    environment=ENVIRONMENT_HELP,
    commit="commit the reference file",
    json="as JSON",
    force="why a droplet that is merely silent from here may be removed",
)
def heal(
    c: Context, environment: str | None = None, commit: bool = False, json: bool = False, force: str | None = None
) -> None:
    """Make the address answer again: start the live droplet, or go to the standby, or make another one."""
    session = Session(ROOT, os.environ, environment)
    healed = healing.heal(session, How(commit=commit, force=force or ""))
    _show(_json(asdict(healed)) if json else healing.render(healed))


@verb(
    environment=ENVIRONMENT_HELP,
    release="key of the release that should be there; by default the live one",
    droplet="id or name of the droplet to look at",
    address="where to look; by default the release's own droplet",
    through_floating_ip="the address is the public one: ask only what a user can",
)
def verify(
    c: Context,
    environment: str | None = None,
    release: str | None = None,
    droplet: str | None = None,
    address: str | None = None,
    through_floating_ip: bool = False,
) -> None:
    """Verify a running droplet at any time, with the same tests that stand before every cutover."""
    session = Session(ROOT, os.environ, environment)
    subject = verification.find_subject(session, release, droplet, address, through_floating_ip=through_floating_ip)
    verified = verification.verify(session, subject)
    _show(f"{subject.release.key} at {subject.address}: {verified.tests} tests passed, report in {verified.report}")


@verb(
    environment=ENVIRONMENT_HELP,
    release="key of the release whose binary migrates; by default the live one",
    address="where its droplet is; by default where the state says",
    json="as JSON",
)
def migrate(
    c: Context,
    environment: str | None = None,
    release: str | None = None,
    address: str | None = None,
    json: bool = False,
) -> None:
    """Bring the database's schema to what a release needs, after a rehearsal that the live release survives."""
    session = Session(ROOT, os.environ, environment)
    subject = verification.find_subject(session, release, None, address, through_floating_ip=False)
    done = migrating.migrate(session, subject.release, subject.address)
    _show(_json(asdict(done)) if json else migrating.render(done))


@verb(
    environment=ENVIRONMENT_HELP,
    what="database (a new user for a new release) or state (a new key for the states)",
    no_standby="retire the release before at once, and its user with it",
    keep_failed="leave the droplet of a release that fails, to look at",
    commit="commit the reference file",
)
def rotate(
    c: Context,
    what: str,
    environment: str | None = None,
    no_standby: bool = False,
    keep_failed: bool = False,
    commit: bool = False,
) -> None:
    """Change a credential: the app's database user, through the gate like any release, or the state's key."""
    session = Session(ROOT, os.environ, environment)
    if what == "database":
        how = How(standby=not no_standby, keep_failed=keep_failed, commit=commit)
        _say_live(session, releasing.rotate_database(session, how))
    elif what == "state":
        _show(rotation.rotate_state(session))
    else:
        raise PipelineError(f"There is no {what!r} to rotate.", "./invoke rotate database, or ./invoke rotate state")


@verb(environment=ENVIRONMENT_HELP, json="as JSON")
def status(c: Context, environment: str | None = None, json: bool = False) -> None:
    """Say what is live, and fail when git, state and world disagree."""
    now = world.status(Session(ROOT, os.environ, environment))
    _show(_json(now.as_json()) if json else world.render(now))
    if not now.in_sync:
        raise Exit(code=1)


@verb(environment=ENVIRONMENT_HELP, json="as JSON")
def releases(c: Context, environment: str | None = None, json: bool = False) -> None:
    """List the images that can be made live, and who last released them."""
    known = history.releases(Session(ROOT, os.environ, environment))
    _show(_json([asdict(each) for each in known]) if json else history.render(known))


@verb(
    environment=ENVIRONMENT_HELP,
    run="the run's id or the beginning of it; by default the last one",
    list="all runs instead, in a line each",
    html="write one page that needs nothing else to this file",
    json="as JSON",
)
def report(
    c: Context,
    environment: str | None = None,
    run: str | None = None,
    list: bool = False,
    html: str | None = None,
    json: bool = False,
) -> None:
    """Tell what a run did: its steps, its cutover as users met it, and how it ended."""
    project, name = Project.load(ROOT), choose_environment(ROOT, os.environ, environment)
    book = Ledger.of(project, name)
    progress = Progress()
    reporting.fetch(book, progress)
    if list:
        records = reporting.all_of(book, warn=progress.warn)
        _show(_json([each.as_json() for each in records]) if json else reporting.render_all(records))
        return
    found = reporting.find(book, run, progress.warn)
    if html:
        Path(html).write_text(report_page.page(found), encoding="utf-8")
    _show(_json(found.as_json()) if json else html or reporting.render(found))


@verb(
    before="a release, live or standby, a version, or an image",
    after="the same, to compare it with",
    environment=ENVIRONMENT_HELP,
    json="as JSON",
)
def diff(c: Context, before: str, after: str, environment: str | None = None, json: bool = False) -> None:
    """Say what differs between two releases or versions: files, packages, units, settings, secrets, schema."""
    found = comparing.diff(Session(ROOT, os.environ, environment), before, after)
    _show(_json(found.as_json()) if json else comparing.render(found))


@verb(
    environment=ENVIRONMENT_HELP,
    yes="do not ask",
    with_database="the database too, with all that is in it, after a backup",
    no_backup="no backup of the database first",
)
def destroy(
    c: Context,
    environment: str | None = None,
    yes: bool = False,
    with_database: bool = False,
    no_backup: bool = False,
) -> None:
    """Remove an environment's droplets, address and key. Images stay, and so does the database unless asked for."""
    session = Session(ROOT, os.environ, environment)
    if not yes:
        but = ""
        if session.settings.project.database:
            but = ", its database included," if with_database else " but the database"
        _confirm(session, f"Remove everything{but} of", "Nothing was removed.")
    releasing.destroy(session, with_database=with_database, backup_first=not no_backup)


@verb(environment=ENVIRONMENT_HELP, yes="do not ask")
def takeover(c: Context, environment: str | None = None, yes: bool = False) -> None:
    """Take an environment whose state is lost, or in another checkout: its address and its database come here."""
    session = Session(ROOT, os.environ, environment)
    if not yes:
        _confirm(session, "Take over", "Nothing was taken over.")
    taking.take_over(session)
    _show("Taken over. ./invoke deploy --version VERSION, with the version that is live, replaces the droplets.")


@verb(
    environment=ENVIRONMENT_HELP,
    apply="remove what was found; without it nothing is changed",
    older_than="the age from which what nobody here can vouch for is left over, such as 90m; by default 1h",
    address="a floating IP that points at nothing, and that you know to be nobody's",
    json="as JSON",
)
def reap(
    c: Context,
    environment: str | None = None,
    apply: bool = False,
    older_than: str | None = None,
    address: str | None = None,
    json: bool = False,
) -> None:
    """Find what no release needs and what it costs: what dead runs left, failed candidates, images of old versions."""
    age = timedelta(seconds=ages.age(older_than)) if older_than else None
    session = Session(ROOT, os.environ, environment)
    _say_reaped(reaping.reap(session, apply=apply, older_than=age, address=address or ""), json=json)


@verb(
    environment=ENVIRONMENT_HELP,
    keep="how many of the newest images to keep; by default what slipway.toml says in [retention]",
    apply="remove what was found; without it nothing is changed",
    json="as JSON",
)
def prune(
    c: Context, environment: str | None = None, keep: int | None = None, apply: bool = False, json: bool = False
) -> None:
    """Find the images of old versions, never one that git, a live droplet or a standby refers to."""
    _say_reaped(reaping.prune(Session(ROOT, os.environ, environment), keep=count(keep), apply=apply), json=json)


@verb(
    environment=ENVIRONMENT_HELP,
    version="what a release of this version would change",
    size="the slug of its droplet's size; by default the live one's",
    json="as JSON",
)
def cost(
    c: Context,
    environment: str | None = None,
    version: str | None = None,
    size: str | None = None,
    json: bool = False,
) -> None:
    """Say what an environment costs a month, with a release, and while the old and the new one stand."""
    found = costs.cost(Session(ROOT, os.environ, environment), version, size)
    _show(_json(found.as_json()) if json else costs.render(found))


@verb(environment=ENVIRONMENT_HELP)
def env(c: Context, environment: str | None = None) -> None:
    """Print the exports with which OpenTofu can be run by hand: eval "$(./invoke env)"."""
    session = Session(ROOT, os.environ, environment)
    current = reference.read(session.settings.reference_path)
    engines = [session.terraform, *([session.database] if session.settings.project.database else [])]
    variables = {name: value for engine in engines for name, value in engine.environment.items()}
    at_boot = boot.variable(current.releases, {})  # a release with secrets is made by ./invoke deploy alone
    for name, value in {**variables, **session.host_keys(current), **at_boot}.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")  # as it is: a shell reads it
    for engine in engines:
        _show(f"# cd {shlex.quote(str(engine.folder))} && {session.toolchain.tofu()} plan")


@verb(
    environment=ENVIRONMENT_HELP,
    to="the folder for it; by default .slipway/ENVIRONMENT/backups",
    keep="how many to keep, this one included; by default all",
    json="as JSON",
)
def backup(
    c: Context, environment: str | None = None, to: str | None = None, keep: int | None = None, json: bool = False
) -> None:
    """Back up the database: one moment of it dumped, counted and described."""
    session = Session(ROOT, os.environ, environment)
    made, path = backups.backup(session, to=to, keep=count(keep))
    if json:
        _show(_json({**asdict(made), "path": str(path)}))
    else:
        _show(f"{path}: {len(made.tables)} tables, {made.rows} rows, {made.size} bytes")


@verb(
    environment=ENVIRONMENT_HELP,
    folder="where the backups are; by default .slipway/ENVIRONMENT/backups",
    max_age="fail when the newest is older, such as 26h",
    json="as JSON",
)
def backup_verify(
    c: Context,
    environment: str | None = None,
    folder: str | None = None,
    max_age: str | None = None,
    json: bool = False,
) -> None:
    """Restore the newest backup into a new cluster, compare every table, remove the cluster; fail where they differ."""
    held = drill.verify(Session(ROOT, os.environ, environment), folder=folder, max_age=max_age)
    _show(_json(asdict(held)) if json else drill.render(held))
    if held.problems:
        raise Exit(code=1)


@verb(
    environment=ENVIRONMENT_HELP,
    folder="where the backups are; by default .slipway/ENVIRONMENT/backups",
    dump="the file's name; by default the newest",
    yes="do not ask",
    json="as JSON",
)
def backup_restore(
    c: Context,
    environment: str | None = None,
    folder: str | None = None,
    dump: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Put a backup in the place of the database's data, after a backup of that."""
    session = Session(ROOT, os.environ, environment)
    if not yes:
        _confirm(session, "Replace the data of", "Nothing was changed.")
    done = restoring.restore(session, folder=folder, dump=dump)
    _show(_json(asdict(done)) if json else restoring.render(done))
    if done.problems:
        raise Exit(code=1)


@verb()
def lock(c: Context) -> None:
    """Choose the registry's newest DigitalOcean provider in the range of terraform/versions.tf, and lock it."""
    toolchain = _toolchain()
    toolchain.ensure(["opentofu"], Progress().detail)
    path = toolchain.lock_provider()
    _show(f"{path.relative_to(ROOT)} names the provider {locked_version(path)}: commit it.")


@verb()
def check(c: Context) -> None:
    """Check style, types and format of everything in the project."""
    checks.check(ROOT, _toolchain(), Progress().say)


def _toolchain() -> Toolchain:
    return Toolchain.from_environment(ROOT, os.environ, Project.load(ROOT).toolchain)


@verb(only="one suite: " + ", ".join(suites.SUITES))
def test(c: Context, only: str | None = None) -> None:
    """Run every test, from linters to releases on real machines that are killed halfway; or one suite."""
    suites.run(ROOT, Toolchain.from_environment(ROOT, os.environ), Progress(), only)


def _limits(session: Session, max_lost: int | None, max_gap: str | None, soak: str | None) -> CutoverSettings:
    given = {"max_lost": count(max_lost), "max_gap": max_gap, "soak": soak}
    return session.settings.project.cutover.but({name: value for name, value in given.items() if value is not None})


def _say_reaped(reaped: reaping.Reaped, *, json: bool) -> None:
    _show(_json(reaped.as_json()) if json else reaping.render(reaped))
    if any(each.problem for each in reaped.found):
        raise Exit(code=1)


def _confirm(session: Session, what: str, otherwise: str) -> None:
    """Have whoever asked for it type the environment's name; raises PipelineError for anything else."""
    name = session.settings.environment
    sys.stderr.write(f"{what} {name} on {session.settings.cloud.endpoint}? Type {name}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise PipelineError(otherwise, "--yes does not ask.")


def _say_live(session: Session, now: Reference) -> None:
    """By what was just confirmed; the cloud, which might fail now, is not asked again."""
    where = reference.url(now, session.outputs().get("floating_ip"))
    _show(f"{now.live} is live at {where}" if now.live else "Nothing is live.")


def _localcloud(*arguments: str) -> None:
    """The local cloud is another program: this calls its command line."""
    _attach([sys.executable, "-m", "localcloud", *arguments], surroundings.LOCALCLOUD, surroundings.DOWNLOADS)


def _attach(argv: Sequence[str], *passing: Sequence[str]) -> None:
    """Run a program of the project's that a person sees and may interrupt."""
    try:
        with ended_by_signals():
            status = attach(argv, cwd=ROOT, env=surroundings.compose(*passing))
    except KeyboardInterrupt as error:
        raise Exit(code=130) from error
    if status != 0:
        raise Exit(code=1)


@task(name="up")
def cloud_up(c: Context) -> None:
    """Start the local cloud, unless it runs."""
    _localcloud("up")


@task(name="down")
def cloud_down(c: Context) -> None:
    """Stop the local cloud; what is in it is there again after the next start."""
    _localcloud("down")


@task(name="status", help={"json": "as JSON"})
def cloud_status(c: Context, json: bool = False) -> None:
    """Show the local cloud's droplets, images, addresses and their sizes on disk."""
    _localcloud("status", *(["--json"] if json else []))


@task(name="logs", help={"follow": "go on showing what is added"})
def cloud_logs(c: Context, follow: bool = False) -> None:
    """Show the local cloud's log: a line for each request and each action."""
    _localcloud("logs", *(["--follow"] if follow else []))


@task(name="console", help={"droplet": "its id or name", "follow": "go on showing what is added"})
def cloud_console(c: Context, droplet: str, follow: bool = False) -> None:
    """Show what a droplet printed on its console since it was started."""
    _localcloud("console", *(["--follow"] if follow else []), droplet)


@task(
    name="ssh",
    help={
        "droplet": "its id or name",
        "command": "run this instead of a shell; the same as -- COMMAND",
        "key": "the private key; by default the deploy key of the environment local, where there is one",
    },
)
def cloud_ssh(c: Context, droplet: str, command: str | None = None, key: str | None = None) -> None:
    """Log in to a droplet of the local cloud as root."""
    deploy_key = ROOT / ".slipway" / "local" / "id_ed25519"
    identity = key or (str(deploy_key) if deploy_key.exists() else None)
    words = [command] if command else _words_after_dashes()
    _localcloud("ssh", *(["-i", identity] if identity else []), droplet, *(["--", *words] if words else []))


@task(
    name="shell",
    help={"droplet": "its id or name", "command": "run these words instead of a shell; the same as -- COMMAND"},
)
def cloud_shell(c: Context, droplet: str, command: str | None = None) -> None:
    """Be root in a droplet of the local cloud, without key or network."""
    words = shlex.split(command) if command else _words_after_dashes()
    _localcloud("shell", droplet, *(["--", *words] if words else []))


@task(name="reset", help={"yes": "do not ask"})
def cloud_reset(c: Context, yes: bool = False) -> None:
    """Remove everything in the local cloud."""
    _localcloud("reset", *(["--yes"] if yes else []))


@task(name="env")
def cloud_env(c: Context) -> None:
    """Print the exports that point other tools at the local cloud: eval "$(./invoke cloud.env)"."""
    _localcloud("env")


CLOUD = (
    cloud_up,
    cloud_down,
    cloud_status,
    cloud_logs,
    cloud_console,
    cloud_ssh,
    cloud_shell,
    cloud_env,
    cloud_reset,
)


@task(name="upstream", help={"match": "a regular expression: only the tests whose names match it"})
def test_upstream(c: Context, match: str | None = None) -> None:
    """Run the provider's own acceptance tests against a local cloud; write docs/fidelity.md."""
    _attach([sys.executable, "-m", "tests.upstream", *([match] if match else [])], surroundings.EVERYTHING)


namespace = Collection(
    build,
    deploy,
    rollback,
    heal,
    rotate,
    verify,
    migrate,
    status,
    releases,
    report,
    diff,
    reap,
    prune,
    cost,
    destroy,
    takeover,
    env,
    lock,
    check,
)
tests = Collection("test")
tests.add_task(test, name="all", default=True)
tests.add_task(test_upstream)
namespace.add_collection(tests)
saved = Collection("backup")
saved.add_task(backup, name="now", default=True)
saved.add_task(backup_verify, name="verify")
saved.add_task(backup_restore, name="restore")
namespace.add_collection(saved)
namespace.add_collection(Collection("cloud", *CLOUD))
