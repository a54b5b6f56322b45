"""The environment's database cluster: made before its first release, and not gone with its last."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from pipeline import adoption
from pipeline.config import DatabaseSettings
from pipeline.errors import PipelineError
from pipeline.narrator import Narrator
from pipeline.session import Session
from pipeline.tools.digitalocean import Cluster

DATABASE = "app"
_PROTECTED = ("digitalocean_database_cluster.app", "digitalocean_database_db.app")
_GONE_WITH_IT = ("digitalocean_database_firewall.app", "digitalocean_database_db.app")
"""What the provider takes for an error, and not for gone, when its cluster was removed by somebody else."""
_PATIENCE = 600
"""Seconds that a cluster which is being resized, moved or restarted is waited for."""


def ensure(session: Session) -> None:
    """Make the cluster what `slipway.toml` says; quick when it is. Without [database] there is nothing to do.

    Raises PipelineError when it cannot be had, and when it is gone though the state knows it.
    """
    wanted = session.settings.project.database
    if wanted is None:
        return
    cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
    stamp, digest = _stamp(session), _digest(session, wanted)
    if cluster is None and session.roots[1].has_state and session.database.outputs().get("cluster"):
        raise PipelineError(
            f"The cluster {session.settings.cluster} is gone, and its data with it.",
            "docs/data.md says how a backup becomes its successor; to begin anew without the data:\n"
            "./invoke destroy --with-database --no-backup, then ./invoke deploy",
        )
    if cluster is not None and cluster.version != wanted.version:
        raise PipelineError(
            f"The database runs PostgreSQL {cluster.version}, and slipway.toml says {wanted.version}.",
            "A release does not upgrade it: do that in the control panel or by the API, after ./invoke backup.",
        )
    known = stamp.exists() and stamp.read_text() == digest
    if cluster is None or not known or drift(session, wanted, cluster):
        engine, before = session.database, [cluster.id] if cluster else []
        if cluster is not None:
            _adopt(session)
        with session.progress.step(f"the database {session.settings.cluster}"):
            with adoption.ordering(session.roots[1], before):
                engine.apply(None, Narrator(session.progress))
        stamp.write_text(digest)
    online(session)


def _adopt(session: Session) -> None:
    """A run that died may have ordered a cluster that its state does not know."""
    if adoption.is_due(session.roots[1]):
        adoption.adopt_database(session, online(session))


def online(session: Session) -> Cluster:
    """The cluster, as soon as it serves; raises PipelineError when there is none, or it does not for ten minutes."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
        if cluster is None:
            name = session.settings.cluster
            raise PipelineError(f"There is no database cluster {name}.", "./invoke deploy makes it.")
        if cluster.status == "online":
            return cluster
        if time.monotonic() > deadline:
            raise PipelineError(f"The cluster {cluster.name} is {cluster.status}, and was not online for ten minutes.")
        session.progress.detail(f"the cluster {cluster.name} is {cluster.status}")
        time.sleep(5)


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
    return value if kind == "ip_addr" else f"{kind}:{value}"


def destroy(session: Session) -> None:
    """Remove the cluster with all that is in it. Whoever calls this has asked, and has made a backup."""
    with session.progress.step(f"remove the database {session.settings.cluster}"):
        if session.api.cluster(session.settings.cluster, session.settings.tag) is None:
            session.database.forget(_GONE_WITH_IT)
        else:
            _adopt(session)
        session.database.unprotect(_PROTECTED)
        session.database.destroy(None, Narrator(session.progress))
    _stamp(session).unlink(missing_ok=True)


def _stamp(session: Session) -> Path:
    """Where it is kept what was applied last."""
    return session.roots[1].folder / "applied"


def _digest(session: Session, wanted: DatabaseSettings) -> str:
    sources = [path.read_text() for path in sorted(session.roots[1].source.glob("*.tf"))]
    cluster = [wanted.version, wanted.size, wanted.nodes, wanted.trusted_sources]
    settings = json.dumps([cluster, session.settings.project.region, session.settings.cloud.endpoint])
    return hashlib.sha256("\0".join([settings, *sources]).encode()).hexdigest()
