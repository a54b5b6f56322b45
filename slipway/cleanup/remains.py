"""What is left over, decided by facts alone: whatever cannot be told for sure stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from slipway.cleanup import retention
from slipway.database import drill
from slipway.durations import moment
from slipway.image import bake_run, image
from slipway.image.image import version_of
from slipway.names import BUILD, Names
from slipway.reports.prices import IDLE_ADDRESS, image_price
from slipway.runs.account_lock import Holder
from slipway.tools.digitalocean import Cluster, Droplet, Image, Volume

OLDER_THAN = timedelta(hours=1)
"""The age from which on a thing is left over that nobody here can vouch for: its run may go on elsewhere."""
_SILENT = timedelta(hours=1)
"""A lock is renewed every few seconds, and the next run takes a dead one over; this is for when there is none."""


@dataclass(frozen=True)
class Leftover:
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

    ``addresses`` are floating IPs that are left over, and why: which of those that point at nothing are, nothing about
    them tells.

    ``in_state`` are the ids of the droplets in the environment's state by name, and ``named`` the images in git's
    reference files; each is None where it cannot be told, and then nothing of that kind is judged. ``wanted`` are the
    releases that the reference file gives droplets.
    """

    now: datetime
    names: Names
    keep: int
    older_than: timedelta = OLDER_THAN
    droplets: Sequence[Droplet] = ()
    keys: Sequence[tuple[int, str]] = ()
    images: Sequence[Image] = ()
    volumes: Sequence[Volume] = ()
    clusters: Sequence[Cluster] = ()
    tags: dict[str, int] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    addressed: frozenset[int] = frozenset()
    alive: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    dead_locks: frozenset[int] = frozenset()
    in_state: Mapping[str, int] | None = None
    wanted: frozenset[str] = frozenset()
    named: frozenset[str] | None = None

    def old(self, created_at: str, age: timedelta | None = None) -> bool:
        """Whether something is older than that; what tells no time (RFC 3339) is not."""
        made = moment(created_at)
        return made is not None and self.now - made > (self.older_than if age is None else age)


def find(facts: Facts) -> list[Leftover]:
    """Everything that is left over."""
    builds = list(_builds(facts))
    dead = [each for each in facts.droplets if str(each.id) in {left.id for left in builds}]
    return [
        *builds,
        *_candidates(facts),
        *_keys(facts, standing={tag for each in facts.droplets if each not in dead for tag in each.tags}),
        *_unfinished(facts),
        *beyond(facts),
        *_clusters(facts),
        *_volumes(facts),
        *_addresses(facts),
        *_tags(facts, dead),
    ]


def beyond(facts: Facts) -> Iterator[Leftover]:
    """The images of versions that are neither new nor needed."""
    if facts.named is None:
        return
    for each in retention.beyond(facts.names, _finished(facts), facts.keep, facts.named, facts.droplets):
        yield _image(each, f"not among the {facts.keep} newest images, and nothing names it")


def _builds(facts: Facts) -> Iterator[Leftover]:
    for each in facts.droplets:
        run = next(filter(None, map(facts.names.run_of, each.tags)), None)
        if BUILD not in each.tags or run is None or each.id in facts.addressed:
            continue
        if run in facts.ended or run not in facts.alive and facts.old(each.created_at):
            yield _droplet(each, "the build droplet of a bake that ended")


def _candidates(facts: Facts) -> Iterator[Leftover]:
    if facts.in_state is None:
        return
    # A droplet that the reference file wants is known, unless the state has another one of its name.
    wanted = {facts.names.droplet(key) for key in facts.wanted} - facts.in_state.keys()
    known = {*facts.in_state.values(), *facts.addressed}
    for each in facts.droplets:
        ours = facts.names.tag in each.tags
        if ours and each.id not in known and each.name not in wanted and facts.old(each.created_at):
            yield _droplet(each, f"a droplet of {facts.names.environment} that is in no state")


def _keys(facts: Facts, standing: Collection[str]) -> Iterator[Leftover]:
    for number, name in facts.keys:
        holder, run, why = Holder.parse(name), facts.names.run_of(name), ""
        if run and name not in standing and _over(facts, run):
            why = "the key of a bake that ended"
        elif holder and holder.lock == facts.names.lock:
            silent = timedelta(seconds=facts.now.timestamp() - holder.heartbeat)
            why = "the lock of a run that died" if number in facts.dead_locks or silent > _SILENT else ""
        if why:
            yield Leftover("key", str(number), name, why, f"account/keys/{number}")


def _unfinished(facts: Facts) -> Iterator[Leftover]:
    used = {droplet.image for droplet in facts.droplets}
    for each in facts.images:
        free = each.id not in used and each.name not in (facts.named or ())
        ours = version_of(facts.names, each) and not facts.names.is_claimed(each.name, facts.tags)
        if ours and not image.finished(each) and free and facts.old(each.created_at):
            yield _image(each, "the image of a bake that was killed before it was labelled")


def _clusters(facts: Facts) -> Iterator[Leftover]:
    for each in facts.clusters:
        drilled = facts.names.is_drill(each.name, each.tags)
        if drilled and facts.old(each.created_at, max(facts.older_than, drill.LEFT_BEHIND)):
            why = "the cluster of a drill that ended"
            yield Leftover("cluster", each.id, each.name, why, f"databases/{each.id}", each.created_at, None)


def _volumes(facts: Facts) -> Iterator[Leftover]:
    for each in facts.volumes:
        if facts.names.tag in each.tags and not each.attached and facts.old(each.created_at):
            place = "volumes" if each.kind == "volume" else "snapshots"
            price = image_price(each.size) if each.kind == "snapshot" else None
            yield Leftover(
                each.kind, each.id, each.name, "no droplet has it", f"{place}/{each.id}", each.created_at, price
            )


def _addresses(facts: Facts) -> Iterator[Leftover]:
    for address, why in facts.addresses.items():
        yield Leftover("address", address, address, why, f"floating_ips/{address}", monthly=IDLE_ADDRESS)


def _tags(facts: Facts, dead: Sequence[Droplet]) -> Iterator[Leftover]:
    for name, count in facts.tags.items():
        run, carried = facts.names.run_of(name), sum(name in each.tags for each in dead)
        if run and count <= carried and run not in facts.alive and (carried or _over(facts, run)):
            yield Leftover("tag", name, name, "the tag of a bake that ended", f"tags/{name}")


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


def _droplet(each: Droplet, why: str) -> Leftover:
    return Leftover("droplet", str(each.id), each.name, why, f"droplets/{each.id}", each.created_at, each.monthly)


def _image(each: Image, why: str) -> Leftover:
    return Leftover("image", str(each.id), each.name, why, f"images/{each.id}", each.created_at, image_price(each.size))
