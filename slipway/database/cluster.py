"""The environment's database cluster: made before its first release, and not gone with its last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import adoption, offered
from slipway.graph import plan as planning
from slipway.graph.narrator import Narrator
from slipway.graph.plan import Refused
from slipway.project import EVERYBODY, DatabaseSettings
from slipway.retries import polled
from slipway.tools.digitalocean import Cluster

DATABASE = "app"
_PROTECTED = ("digitalocean_database_cluster.app", "digitalocean_database_db.app")
_GONE_WITH_IT = ("digitalocean_database_firewall.app", "digitalocean_database_db.app")
"""What the provider takes for an error, and not for gone, when its cluster was removed by somebody else."""
_SLOWEST_POLL = 5.0
_PATIENCE = 600
"""Seconds that a cluster which is being resized, moved or restarted is waited for."""


@dataclass(frozen=True)
class Pending:
    """What a run does to the cluster before it releases.

    The ``sentence`` has no subject and is empty when there is nothing to do; ``first`` tells that there is no cluster.
    ``done`` is what was done already.
    """

    sentence: str = ""
    first: bool = False
    done: str = ""


def pending(session: Session) -> Pending:
    """What is to be done so that the cluster is what `slipway.toml` says. Nothing is changed.

    Raises Refused for what no release may do to data, and for what the cloud does not offer; PipelineError when the
    cluster is gone though the state knows it. Without [database] there is nothing to do.
    """
    wanted = session.settings.project.database
    if wanted is None:
        return Pending()
    name, cluster = session.settings.cluster, session.api.cluster(session.settings.cluster, session.settings.tag)
    if cluster is None and _is_in_the_state(session):
        _refuse_a_cluster_of_another_name(session)
        raise PipelineError(
            f"The cluster {name} is gone, and its data with it.",
            "docs/data.md says how a backup becomes its successor; to begin anew without the data:\n"
            "./invoke destroy --with-database --no-backup, then ./invoke deploy",
        )
    region, changed = session.settings.project.droplet.region, changes(session, wanted, cluster) if cluster else []
    if cluster is not None:
        _refuse(harm(wanted, region, cluster))
        if (
            not changed
            and _stamp(session).exists()
            and _stamp(session).read_text(errors="replace") == _digest(session, wanted)
        ):
            return Pending()
    _refuse(offered.refusals(session.api.database_options(), wanted, region, cluster))
    if cluster is None:
        return Pending(f"make the database cluster {name}", first=True)
    if _is_in_the_state(session):
        _refuse_a_plan_that_destroys(session)
    return Pending(", ".join(changed) or f"apply the settings of the database {name}")


def carry_out(session: Session, pending: Pending) -> None:
    """Do what is pending, if anything is, and wait until the cluster serves. Raises PipelineError when it cannot be."""
    wanted = session.settings.project.database
    if wanted is None:
        return
    if pending.sentence:
        session.progress.say(f"  · plan: {pending.sentence}")
        with session.progress.step(f"the database {session.settings.cluster}"):
            cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
            if cluster is not None:
                _adopt(session)  # by the note of the run that died, before this one writes its own
            with adoption.ordering(session.roots[1], [cluster.id] if cluster else []):
                if cluster is None:
                    _order(session, wanted)
                    adoption.adopt_database(session, online(session), ordered_now=True)
                session.database().apply(None, Narrator(session.progress))
        _stamp(session).write_text(_digest(session, wanted))
    online(session)


def _order(session: Session, wanted: DatabaseSettings) -> None:
    """Ask the API for the cluster of `terraform/database/main.tf`: the provider looks for it every 15 seconds only."""
    session.api.order_cluster(
        {
            "name": session.settings.cluster,
            "engine": "pg",
            "version": wanted.version,
            "size": wanted.size,
            "region": session.settings.project.droplet.region,
            "num_nodes": wanted.nodes,
            "tags": session.settings.names.tags,
        }
    )


def _refuse(said: Iterable[str]) -> None:
    if refused := list(said):
        raise Refused(f"The plan is refused: {'; '.join(refused)}.", "Nothing was changed. git diff slipway.toml")


def harm(wanted: DatabaseSettings, region: str, cluster: Cluster) -> Iterator[str]:
    """Why a cluster must not be made what is wanted: what would lose data, or take it away from the live release."""
    name = f"the database {cluster.name}"
    if cluster.version != wanted.version:
        yield (
            f"{name} runs PostgreSQL {cluster.version} and slipway.toml says {wanted.version}, which no release changes"
            " (upgrade it in the control panel or by the API, after ./invoke backup)"
        )
    if cluster.region and cluster.region != region:
        yield f"it would move {name} from {cluster.region} to {region}, away from the droplets that use it"
    if is_smaller(wanted.size, cluster.size):
        yield f"it would shrink {name} from {cluster.size} to {wanted.size}"
    if wanted.nodes < cluster.nodes:
        yield f"it would take nodes away from {name}: {wanted.nodes} instead of {cluster.nodes}"


def is_smaller(wanted: str, now: str) -> bool:
    """Whether a size has fewer processors or less memory than another, or cannot be compared with it."""
    sizes = [re.search(r"-(\d+)vcpu-(\d+)gb", slug) for slug in (wanted, now)]
    if wanted == now:
        return False
    if not (sizes[0] and sizes[1]):
        return True
    return any(int(sizes[0][n]) < int(sizes[1][n]) for n in (1, 2))


def _is_in_the_state(session: Session) -> bool:
    return session.roots[1].has_state and bool(session.database().outputs().get("cluster"))


def _refuse_a_plan_that_destroys(session: Session) -> None:
    file = session.settings.work / "database-plan"
    try:
        _refuse(planning.losses(session.database().plan(None, file)))
    finally:
        file.unlink(missing_ok=True)


def _refuse_a_cluster_of_another_name(session: Session) -> None:
    """Raise PipelineError when the state has a cluster of before, or of another name of the project."""
    for kind, each in session.database().resources():
        if kind == "digitalocean_database_cluster" and each["name"] != session.settings.cluster:
            raise PipelineError(
                f"The environment's database is the cluster {each['name']}, and the name of the project makes that"
                f" {session.settings.cluster}.",
                "A cluster cannot be renamed: CHANGELOG.md says how to move an environment of before.",
            )


def _adopt(session: Session) -> None:
    """A run that died may have ordered a cluster that its state does not know."""
    if adoption.is_due(session.roots[1]):
        adoption.adopt_database(session, online(session))


def online(session: Session) -> Cluster:
    """The cluster, as soon as it serves; raises PipelineError when there is none, or it does not for ten minutes."""
    seen: list[Cluster] = []

    def is_online() -> bool:
        cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
        if cluster is None:
            name = session.settings.cluster
            raise PipelineError(f"There is no database cluster {name}.", "./invoke deploy makes it.")
        if cluster.status not in ("online", *(each.status for each in seen[-1:])):
            session.progress.detail(f"the cluster {cluster.name} is {cluster.status}")
        seen.append(cluster)
        return cluster.status == "online"

    if not polled(is_online, _PATIENCE, 0.25, slowest=_SLOWEST_POLL):
        last = seen[-1]
        raise PipelineError(f"The cluster {last.name} is {last.status}, and was not online for ten minutes.")
    return seen[-1]


def changes(session: Session, wanted: DatabaseSettings, cluster: Cluster) -> list[str]:
    """What would be done to a cluster, each as a verb and its object."""
    found = []
    if cluster.size != wanted.size:
        found.append(f"resize the database {cluster.name} from {cluster.size} to {wanted.size}")
    if cluster.nodes != wanted.nodes:
        found.append(f"give the database {cluster.name} {wanted.nodes} nodes instead of {cluster.nodes}")
    now = set(session.api.trusted_sources(cluster.id))
    then = {("tag", session.settings.tag), *wanted.trusted_sources}
    if more := sorted(then - now):
        found.append(f"let {', '.join(map(source_name, more))} ask the database {cluster.name}")
    if fewer := sorted(now - then):
        found.append(f"keep {', '.join(map(source_name, fewer))} from asking the database {cluster.name}")
    return found


def drift(session: Session, wanted: DatabaseSettings, cluster: Cluster) -> list[str]:
    """Where the cluster is not what `slipway.toml` says."""
    pairs = [
        ("version", cluster.version, wanted.version),
        ("size", cluster.size, wanted.size),
        ("nodes", cluster.nodes, wanted.nodes),
    ]
    found = [
        f"the database's {name} is {is_}, and slipway.toml says {says}" for name, is_, says in pairs if is_ != says
    ]
    trusted = session.api.trusted_sources(cluster.id)
    if trusted != sorted([("tag", session.settings.tag), *wanted.trusted_sources]):
        said = ", ".join(map(source_name, trusted)) or "everybody"
        found.append(f"the database trusts {said}, and slipway.toml says otherwise")
    return found


def source_name(source: tuple[str, str]) -> str:
    """A trusted source as `slipway.toml` has it."""
    kind, value = source
    if value == EVERYBODY:
        return "everybody"
    return value if kind == "ip_addr" else f"{kind}:{value}"


def destroy(session: Session) -> None:
    """Remove the cluster with all that is in it. Whoever calls this has asked, and has made a backup."""
    with session.progress.step(f"remove the database {session.settings.cluster}"):
        if session.api.cluster(session.settings.cluster, session.settings.tag) is None:
            _refuse_a_cluster_of_another_name(session)
            session.database().forget(_GONE_WITH_IT)
        else:
            _adopt(session)
        session.database().unprotect(_PROTECTED)
        session.database().destroy(None, Narrator(session.progress))
    _stamp(session).unlink(missing_ok=True)


def _stamp(session: Session) -> Path:
    """Where it is kept what was applied last."""
    return session.roots[1].folder / "applied"


def _digest(session: Session, wanted: DatabaseSettings) -> str:
    sources = [path.read_text() for path in sorted(session.roots[1].source.glob("*.tf"))]
    cluster = [wanted.version, wanted.size, wanted.nodes, wanted.trusted_sources]
    settings = json.dumps([cluster, session.settings.project.droplet.region, session.settings.cloud.endpoint])
    return hashlib.sha256("\0".join([settings, *sources]).encode()).hexdigest()
