"""What no release needs any more, and what it costs: found by its tags, names and ages, removed only when asked to.

What is judged is a value, `Facts`; the decisions are functions of it. Whatever cannot be told for sure stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline import bake_run, drill, image, reference, retention, runs
from pipeline.bake_run import BUILD, RUN
from pipeline.cost import dollars, image_price
from pipeline.errors import PipelineError
from pipeline.image import version_of
from pipeline.lock import only_one
from pipeline.remote_lock import Holder
from pipeline.session import Session
from pipeline.status import table
from pipeline.tools.digitalocean import Cluster, Droplet, Image, Volume

OLDER_THAN = timedelta(hours=1)
"""The age from which on a thing is left over that nobody here can vouch for: its run may go on elsewhere."""
_PACKERS_KEY = timedelta(days=1)
_AT_ONCE = timedelta(minutes=2)
"""Packer makes its droplet right after its key."""
_SILENT = timedelta(hours=1)
"""A lock is renewed every few seconds, and the next run takes a dead one over; this is for when there is none."""


@dataclass(frozen=True)
class Left:
    """Something that no release needs. ``monthly`` is in USD, None where the API tells no price.

    ``path`` is where the API has it; ``problem`` is why it could not be removed.
    """

    kind: str
    id: str
    name: str
    why: str
    path: str
    created_at: str = ""
    monthly: float | None = 0.0
    removed: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """All that is to be known. ``addressed`` are the droplets behind floating IPs, ``alive`` and ``ended`` the ids of
    this checkout's bakes, ``dead_locks`` the keys that were held by processes of this machine which are no more.

    ``in_state`` are the ids of the droplets in the environment's state by release, and ``named`` the images in git's
    reference files; each is None where it cannot be told, and then nothing of that kind is judged. ``wanted`` are the
    releases that the reference file gives droplets.
    """

    now: datetime
    environment: str
    keep: int
    older_than: timedelta = OLDER_THAN
    droplets: Sequence[Droplet] = ()
    keys: Sequence[tuple[int, str]] = ()
    images: Sequence[Image] = ()
    volumes: Sequence[Volume] = ()
    clusters: Sequence[Cluster] = ()
    tags: dict[str, int] = field(default_factory=dict)
    addressed: frozenset[int] = frozenset()
    alive: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    dead_locks: frozenset[int] = frozenset()
    in_state: Mapping[str, int] | None = None
    wanted: frozenset[str] = frozenset()
    named: frozenset[str] | None = None

    def old(self, created_at: str, age: timedelta | None = None) -> bool:
        """Whether something is older than that; RFC 3339."""
        return self.now - datetime.fromisoformat(created_at) > (self.older_than if age is None else age)


@dataclass(frozen=True)
class Reaped:
    """What was found, and removed if it was to be. ``notes`` say what could not be judged."""

    applied: bool
    found: Sequence[Left]
    notes: Sequence[str]

    @property
    def monthly(self) -> float:
        """USD a month, of what has a price and is not removed."""
        return round(sum(each.monthly or 0 for each in self.found), 2)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "monthly": self.monthly}


def find(facts: Facts) -> list[Left]:
    """Everything that is left over."""
    builds = list(_builds(facts))
    dead = [each for each in facts.droplets if str(each.id) in {left.id for left in builds}]
    return [
        *builds,
        *_candidates(facts),
        *_keys(facts, dead),
        *_unfinished(facts),
        *beyond(facts),
        *_clusters(facts),
        *_volumes(facts),
        *_tags(facts, dead),
    ]


def beyond(facts: Facts) -> Iterator[Left]:
    """The images of versions that are neither new nor needed."""
    if facts.named is None:
        return
    for each in retention.beyond(_finished(facts), facts.keep, facts.named, facts.droplets):
        yield _image(each, f"not among the {facts.keep} newest images, and nothing names it")


def _builds(facts: Facts) -> Iterator[Left]:
    for each in facts.droplets:
        run = next((tag.removeprefix(RUN) for tag in each.tags if tag.startswith(RUN)), "")
        if BUILD not in each.tags or not run or each.id in facts.addressed:
            continue
        if run in facts.ended or run not in facts.alive and facts.old(each.created_at):
            yield _droplet(each, "the build droplet of a bake that ended")


def _candidates(facts: Facts) -> Iterator[Left]:
    if facts.in_state is None:
        return
    # A droplet that the reference file wants is known, unless the state has another one for it.
    wanted = {f"app-{facts.environment}-{key}" for key in facts.wanted - facts.in_state.keys()}
    known = {*facts.in_state.values(), *facts.addressed}
    for each in facts.droplets:
        ours = f"slipway-environment:{facts.environment}" in each.tags
        if ours and each.id not in known and each.name not in wanted and facts.old(each.created_at):
            yield _droplet(each, f"a droplet of {facts.environment} that is in no state")


def _keys(facts: Facts, dead: Sequence[Droplet]) -> Iterator[Left]:
    standing = {tag for each in facts.droplets if each not in dead for tag in each.tags}
    ages = [datetime.fromisoformat(each.created_at) for each in dead]
    for number, name in facts.keys:
        holder, made = Holder.parse(name), made_by_packer(name)
        why = ""
        if name.startswith(RUN) and name not in standing and _over(facts, name.removeprefix(RUN)):
            why = "the key of a bake that ended"
        elif made and (facts.now - made > _PACKERS_KEY or any(timedelta(0) <= age - made <= _AT_ONCE for age in ages)):
            why = "a temporary key of Packer's"
        elif holder and holder.environment == facts.environment:
            silent = timedelta(seconds=facts.now.timestamp() - holder.heartbeat)
            why = "the lock of a run that died" if number in facts.dead_locks or silent > _SILENT else ""
        if why:
            yield Left("key", str(number), name, why, f"account/keys/{number}")


def _unfinished(facts: Facts) -> Iterator[Left]:
    used = {droplet.image for droplet in facts.droplets}
    for each in facts.images:
        free = each.id not in used and each.name not in (facts.named or ())
        if version_of(each) and not image.finished(each) and free and facts.old(each.created_at):
            yield _image(each, "the image of a bake that was killed before it was labelled")


def _clusters(facts: Facts) -> Iterator[Left]:
    for each in facts.clusters:
        drilled = each.name.startswith(f"slipway-{facts.environment}-drill-")
        if drilled and facts.old(each.created_at, max(facts.older_than, drill.LEFT_BEHIND)):
            why = "the cluster of a drill that ended"
            yield Left("cluster", each.id, each.name, why, f"databases/{each.id}", each.created_at, None)


def _volumes(facts: Facts) -> Iterator[Left]:
    for each in facts.volumes:
        if "slipway" in each.tags and not each.attached and facts.old(each.created_at):
            place = "volumes" if each.kind == "volume" else "snapshots"
            price = image_price(each.size) if each.kind == "snapshot" else None
            yield Left(each.kind, each.id, each.name, "no droplet has it", f"{place}/{each.id}", each.created_at, price)


def _tags(facts: Facts, dead: Sequence[Droplet]) -> Iterator[Left]:
    for name, count in facts.tags.items():
        run, carried = name.removeprefix(RUN), sum(name in each.tags for each in dead)
        if name.startswith(RUN) and count <= carried and run not in facts.alive and (carried or _over(facts, run)):
            yield Left("tag", name, name, "the tag of a bake that ended", f"tags/{name}")


def _over(facts: Facts, run: str) -> bool:
    """Whether a run without a droplet is over: one of this checkout by its lock, another by its age."""
    start = bake_run.began(run)
    return run in facts.ended or run not in facts.alive and start is not None and facts.now - start > facts.older_than


def _finished(facts: Facts) -> list[Image]:
    return [each for each in facts.images if image.finished(each)]


def made_by_packer(name: str) -> datetime | None:
    """When Packer made a temporary key, which its name begins with (`packer-` and a time-ordered UUID); else None."""
    head, _, rest = name.partition("-")
    try:
        return datetime.fromtimestamp(int(rest[:8], 16), UTC) if head == "packer" and len(rest) == 36 else None
    except ValueError:
        return None


def _droplet(each: Droplet, why: str) -> Left:
    return Left("droplet", str(each.id), each.name, why, f"droplets/{each.id}", each.created_at, each.monthly)


def _image(each: Image, why: str) -> Left:
    return Left("image", str(each.id), each.name, why, f"images/{each.id}", each.created_at, image_price(each.size))


def reap(session: Session, *, apply: bool, older_than: timedelta | None = None) -> Reaped:
    """Find what no release needs, and with ``apply`` remove it."""
    with _alone(session, "reap", apply=apply):
        facts, notes = gather(session, older_than)
        reaped = Reaped(apply, find(facts), notes)
        if apply:
            reaped = replace(reaped, found=remove(session, reaped.found))
            _forget(session, facts, reaped)
        return reaped


def prune(session: Session, *, keep: int | None, apply: bool) -> Reaped:
    """Find the images of old versions, and with ``apply`` remove them. Raises PipelineError in a shallow clone."""
    project = session.settings.project
    keep = project.keep_images if keep is None else keep
    with _alone(session, "prune", apply=apply):
        facts = Facts(
            now=datetime.now(UTC),
            environment=session.settings.environment,
            keep=keep,
            droplets=session.api.droplets(),
            images=session.api.images(),
            named=retention.named(session.git, project.root, keep),
        )
        found = list(beyond(facts))
        return Reaped(apply, remove(session, found) if apply else found, [])


def _alone(session: Session, what: str, *, apply: bool) -> AbstractContextManager[object]:
    """What is under way must not be taken for left over; what is removed is written down."""
    return runs.alone(session, what) if apply else only_one(session.settings.work, what)


def gather(session: Session, older_than: timedelta | None = None) -> tuple[Facts, list[str]]:
    """Ask git, state and cloud; and what they could not tell."""
    settings, project, api, notes = session.settings, session.settings.project, session.api, list[str]()
    alive, ended = bake_run.known(project.work, settings.cloud.endpoint)
    try:
        named = retention.named(session.git, project.root, project.keep_images)
    except PipelineError as error:
        named = None
        notes.append(f"images of old versions were not looked at: {error.message} {error.hint}")
    try:
        volumes = api.volumes()
    except PipelineError as error:
        volumes = []
        notes.append(f"volumes were not looked at: {error.message}")
    in_state = None
    if session.roots[0].has_state:
        in_state = {key: int(each["id"]) for key, each in (session.outputs().get("droplets") or {}).items()}
    else:
        notes.append(f"droplets of {settings.environment} were not looked at: its state is not here")
    keys, bake = api.keys(), timedelta(seconds=project.bake_deadline)
    facts = Facts(
        now=datetime.now(UTC),
        environment=settings.environment,
        keep=project.keep_images,
        older_than=max(OLDER_THAN, bake) if older_than is None else older_than,
        # The droplets last: whatever is made meanwhile is not yet old.
        keys=keys,
        dead_locks=frozenset(id for id, name in keys if (holder := Holder.parse(name)) and holder.is_dead_here),
        images=api.images(),
        volumes=volumes,
        clusters=api.clusters(),
        tags=api.tags(),
        droplets=api.droplets(),
        addressed=frozenset(api.floating_ip_targets()),
        alive=frozenset(run.id for run in alive),
        ended=frozenset(run.id for run in ended),
        in_state=in_state,
        wanted=frozenset(reference.read(settings.reference_path).running),
        named=named,
    )
    return facts, notes


def remove(session: Session, found: Sequence[Left]) -> list[Left]:
    """Remove what was found; what cannot be removed says why, and the rest goes on."""
    done: list[Left] = []
    for each in found:
        if each.kind == "tag" and any(before.problem for before in done):
            done.append(replace(each, problem="By it the rest is found again."))
        else:
            done.append(_remove(session, each))
    return done


def _remove(session: Session, left: Left) -> Left:
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
        return "\n".join(["Nothing is left over.", *notes])
    rows = [("what", "name", "made", "a month", "why")]
    for each in reaped.found:
        price = "?" if each.monthly is None else dollars(each.monthly)
        rows.append((each.kind, each.name, each.created_at or "-", price, each.why))
    notes += [f"✗ the {each.kind} {each.name} is still there: {each.problem}" for each in reaped.found if each.problem]
    gone = sum(each.removed for each in reaped.found)
    count = f"{len(reaped.found)} thing{'s' if len(reaped.found) > 1 else ''}, {dollars(reaped.monthly)} a month"
    said = f"{count}: {gone} removed." if reaped.applied else f"{count}. --apply removes them."
    return "\n".join([table(rows), *notes, said])
