"""What no release needs any more, and what it costs: found by its tags, names and ages, removed only when asked to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.cleanup import remains, retention
from slipway.cleanup.remains import OLDER_THAN, Facts, Leftover
from slipway.environment import reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import adoption
from slipway.graph.plan import ADDRESS
from slipway.image import bake_run
from slipway.reports.prices import IDLE_ADDRESS
from slipway.runs import run as runs
from slipway.runs.account_lock import Holder
from slipway.runs.checkout_lock import only_one
from slipway.text import dollars, table

_PACKERS_KEY = timedelta(days=1)
"""The age from which on a temporary key of Packer's is told of. slipway's own bakes make none."""


@dataclass(frozen=True)
class Reaped:
    """What was found, and removed if it was to be. ``notes`` say what could not be judged."""

    applied: bool
    found: Sequence[Leftover]
    notes: Sequence[str]

    @property
    def monthly(self) -> float:
        """USD a month, of what has a price and is not removed."""
        return round(sum(each.monthly or 0 for each in self.found), 2)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "monthly": self.monthly}


def reap(session: Session, *, apply: bool, older_than: timedelta | None = None, address: str = "") -> Reaped:
    """Find what no release needs, and with ``apply`` remove it; a floating IP that somebody knows to be one is named.

    Raises PipelineError for one that points at something or that the state has.
    """
    with _alone(session, "reap", apply=apply):
        facts, notes = gather(session, older_than, address)
        reaped = Reaped(apply, remains.find(facts), notes)
        if apply:
            reaped = replace(reaped, found=remove(session, reaped.found))
            _forget(session, facts, reaped)
        return reaped


def prune(session: Session, *, keep: int | None, apply: bool) -> Reaped:
    """Find the images of old versions, and with ``apply`` remove them. Raises PipelineError in a shallow clone."""
    project = session.settings.project
    keep = project.retention.images if keep is None else keep
    with _alone(session, "prune", apply=apply):
        facts = Facts(
            now=datetime.now(UTC),
            names=session.settings.names,
            keep=keep,
            droplets=session.api.droplets(),
            images=session.api.images(),
            named=retention.named(session.git, project.root, keep),
        )
        found = list(remains.beyond(facts))
        return Reaped(apply, remove(session, found) if apply else found, [])


def _alone(session: Session, what: str, *, apply: bool) -> AbstractContextManager[object]:
    """What is under way must not be taken for left over; what is removed is written down."""
    return runs.alone(session, what) if apply else only_one(session.settings.work, what)


def gather(session: Session, older_than: timedelta | None = None, address: str = "") -> tuple[Facts, list[str]]:
    """Ask git, state and cloud; and what they could not tell."""
    settings, project, api, notes = session.settings, session.settings.project, session.api, list[str]()
    alive, ended = bake_run.known(project.work, settings.cloud.endpoint)
    try:
        named = retention.named(session.git, project.root, project.retention.images)
    except PipelineError as error:
        named = None
        notes.append(f"images of old versions were not looked at: {error.message} {error.hint}")
    try:
        volumes = api.volumes()
    except PipelineError as error:
        volumes = []
        notes.append(f"volumes were not looked at: {error.message}")
    in_state, resources = None, list[tuple[str, Mapping[str, Any]]]()
    if session.roots[0].has_state:
        resources = session.terraform().resources()
        in_state = {str(each["name"]): int(each["id"]) for kind, each in resources if kind == "digitalocean_droplet"}
    else:
        notes.append(f"droplets of {settings.environment} were not looked at: its state is not here")
    addresses, unclear = _addresses(session, [str(v["ip_address"]) for k, v in resources if k == ADDRESS], address)
    notes += unclear
    keys, bake = api.keys(), timedelta(seconds=project.image.deadline)
    notes += [
        f"the key {name} was made by a Packer more than a day ago, and does not say for whom"
        for _, name in keys
        if (made := remains.made_by_packer(name)) and datetime.now(UTC) - made > _PACKERS_KEY
    ]
    facts = Facts(
        now=datetime.now(UTC),
        names=settings.names,
        keep=project.retention.images,
        older_than=max(OLDER_THAN, bake) if older_than is None else older_than,
        # The droplets last: whatever is made meanwhile is not yet old.
        keys=keys,
        dead_locks=frozenset(id for id, name in keys if (holder := Holder.parse(name)) and holder.is_dead_here),
        images=api.images(),
        volumes=volumes,
        clusters=api.clusters(),
        tags=api.tags(),
        droplets=api.droplets(),
        addresses=addresses,
        addressed=frozenset(api.floating_ip_targets()),
        alive=frozenset(run.id for run in alive),
        ended=frozenset(run.id for run in ended),
        in_state=in_state,
        wanted=frozenset(reference.read(settings.reference_path).running),
        named=named,
    )
    return facts, notes


def _addresses(session: Session, in_state: Collection[str], named: str) -> tuple[dict[str, str], list[str]]:
    """The floating IPs that are left over, with the reason, and what is to be said of others that point at nothing."""
    name = session.settings.environment
    idle = [each.address for each in session.api.floating_ips() if each.droplet is None]
    idle = [each for each in idle if each not in in_state]
    if named and named not in idle:
        raise PipelineError(
            f"{named} is not left over: it is no floating IP of the account, it points at a droplet, or {name} has it.",
            "./invoke reap lists those that point at nothing.",
        )
    left = {named: "named by whoever asked"} if named else {}
    if not in_state and (lost := adoption.lost_address(session)) in idle:
        left[lost] = f"ordered by a run of {name} that died"
    return left, [
        f"the floating IP {each} points at nothing and is not in the state of {name}. If nobody else needs it:"
        f" ./invoke reap --address {each} --apply; it costs {dollars(IDLE_ADDRESS)} a month"
        for each in idle
        if each not in left
    ]


def remove(session: Session, found: Sequence[Leftover]) -> list[Leftover]:
    """Remove what was found; what cannot be removed says why, and the rest goes on."""
    done: list[Leftover] = []
    for each in found:
        if each.kind == "tag" and any(before.problem for before in done):
            done.append(replace(each, problem="By it the rest is found again."))
        else:
            done.append(_remove(session, each))
    return done


def _remove(session: Session, left: Leftover) -> Leftover:
    try:
        session.api.remove(left.path)
    except PipelineError as error:
        return replace(left, problem=error.message)
    session.progress.say(f"  ✓ removed the {left.kind} {left.name}")
    return replace(left, removed=True)


def _forget(session: Session, facts: Facts, reaped: Reaped) -> None:
    """Runs of which all is removed need not be looked for again."""
    if not any(each.problem for each in reaped.found):
        for run in bake_run.known(session.settings.project.work, session.settings.cloud.endpoint)[1]:
            if run.id in facts.ended:
                bake_run.forget(session.settings.project.work, run)


def render(reaped: Reaped) -> str:
    """What was found as a person reads it."""
    notes = [f"! {note}" for note in reaped.notes]
    if not reaped.found:
        return "\n".join(["Found nothing to remove.", *notes])
    rows = [("what", "name", "made", "a month", "why")]
    for each in reaped.found:
        price = "?" if each.monthly is None else dollars(each.monthly)
        rows.append((each.kind, each.name, each.created_at or "-", price, each.why))
    notes += [f"✗ the {each.kind} {each.name} is still there: {each.problem}" for each in reaped.found if each.problem]
    gone = sum(each.removed for each in reaped.found)
    count = f"{len(reaped.found)} thing{'s' if len(reaped.found) > 1 else ''}, {dollars(reaped.monthly)} a month"
    said = f"{count}: {gone} removed." if reaped.applied else f"{count}. --apply removes them."
    return "\n".join([table(rows), *notes, said])
