"""Verbs that say what there is, what was done, what differs and what it costs."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path

from slipway.config import choose_environment
from slipway.environment import boot, reference
from slipway.environment.session import Session
from slipway.progress import Progress
from slipway.project import Project
from slipway.runs.ledger import Ledger
from slipway.verbs.verb import ENVIRONMENT_HELP, ROOT, Answer, verb


@verb(json="as JSON")
def status(session: Session) -> Answer:
    """Say what is live, and fail when git, state and world disagree."""
    from slipway.reports.status import render
    from slipway.reports.status import status as compared

    now = compared(session)
    return Answer(render(now), now.as_json(), failed=not now.in_sync)


@verb(json="as JSON")
def releases(session: Session) -> Answer:
    """List the images that can be made live, and who last released them."""
    from slipway.reports import history

    known = history.releases(session)
    return Answer(history.render(known), [asdict(each) for each in known])


@verb(
    json="as JSON",
    environment=ENVIRONMENT_HELP,
    run="the run's id or the beginning of it; by default the last one",
    list="all runs instead, in a line each",
    html="write one page that needs nothing else to this file",
)
def report(
    environment: str | None = None, run: str | None = None, list: bool = False, html: str | None = None
) -> Answer:
    """Tell what a run did: its steps, its cutover as users met it, and how it ended."""
    from slipway.reports.report import all_of, fetch, find, render, render_all

    project, progress = Project.load(ROOT), Progress()
    book = Ledger.of(project, choose_environment(ROOT, os.environ, environment))
    fetch(book, progress)
    if list:
        records = all_of(book, warn=progress.warn)
        return Answer(render_all(records), [each.as_json() for each in records])
    found = find(book, run, progress.warn)
    if html:
        from slipway.reports import report_page

        Path(html).write_text(report_page.page(found), encoding="utf-8")
    return Answer(html or render(found), found.as_json())


@verb(
    json="as JSON",
    before="a release, live or standby, a version, or an image",
    after="the same, to compare it with",
)
def diff(session: Session, before: str, after: str) -> Answer:
    """Say what differs between two releases or versions: files, packages, units, settings, secrets, schema."""
    from slipway.reports.diff import diff as differences
    from slipway.reports.diff import render

    found = differences(session, before, after)
    return Answer(render(found), found.as_json())


@verb(
    json="as JSON",
    version="what a release of this version would change",
    size="the slug of its droplet's size; by default the live one's",
)
def cost(session: Session, version: str | None = None, size: str | None = None) -> Answer:
    """Say what an environment costs a month, with a release, and while the old and the new one stand."""
    from slipway.reports.cost import cost as cost_of
    from slipway.reports.cost import render

    found = cost_of(session, version, size)
    return Answer(render(found), found.as_json())


@verb()
def env(session: Session) -> Answer:
    """Print the exports with which OpenTofu can be run by hand: eval "$(./invoke env)"."""
    current = reference.read(session.settings.reference_path)
    engines = [session.terraform(), *([session.database()] if session.settings.project.database else [])]
    variables = {name: value for engine in engines for name, value in engine.environment.items()}
    at_boot = boot.variable(current.releases, {})  # a release with secrets is made by ./invoke deploy alone
    given = {**variables, **session.host_keys(current), **at_boot}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    tofu = session.toolchain.tofu()
    calls = [f"# cd {shlex.quote(str(engine.folder))} && {tofu} plan" for engine in engines]
    return Answer("\n".join([*exports, *calls]), verbatim=True)
