"""What git says, what Terraform's state says and what the world says, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import requests

from slipway.database import lease, migration
from slipway.database.cluster import drift, source_name
from slipway.durations import spell
from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.release import takeover
from slipway.runs import account_lock
from slipway.text import line, table
from slipway.tools.account import Account
from slipway.tools.digitalocean import Droplet
from slipway.verification.app_client import ANSWER_S, OK, SERVER_ERROR, AppClient, document


@dataclass(frozen=True)
class Running:
    """A release that has a droplet."""

    version: str
    release: str
    image: str
    droplet_id: int


@dataclass(frozen=True)
class Database:
    """The database cluster; ``schema`` is the version that it is at, ``pending`` what the live release misses.

    Both are None where nothing is live that could tell. ``trusted_sources`` are written as in `slipway.toml`;
    ``expires`` is when a leased user ends (RFC 3339), empty for one without an end.
    """

    cluster: str
    status: str
    version: str
    size: str
    nodes: int
    trusted_sources: Sequence[str]
    user: str
    expires: str
    schema: int | None
    pending: Sequence[int] | None


@dataclass(frozen=True)
class Status:
    """One environment now. ``problems`` are disagreements between git, state and world; ``warnings`` are not.

    ``run`` says which run is changing it, on whatever machine.
    """

    environment: str
    cloud: str
    url: str | None
    floating_ip: str | None
    live: Running | None
    standby: Running | None
    database: Database | None
    run: str | None
    problems: Sequence[str]
    warnings: Sequence[str]

    @property
    def in_sync(self) -> bool:
        """Whether what git says is what runs."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "in_sync": self.in_sync}


def status(session: Session) -> Status:
    """Ask git, the state and the cloud. Raises PipelineError when one of them cannot answer."""
    settings = session.settings
    wanted = reference.read(settings.reference_path)
    outputs = session.outputs()
    address = outputs.address or None
    target = session.api.floating_ip_target(address) if address else None
    droplets = {d.id: d for d in session.api.droplets(settings.tag)}
    keys = {member.id: key for key, member in outputs.members()}
    live = _running(wanted, outputs.release_of(target), target)
    standby_id = next((id for id, key in keys.items() if key == wanted.standby and id in droplets), None)
    name = str(settings.reference_path.relative_to(settings.project.root))
    database, database_problems = _database(session, wanted, droplets.get(target or 0))
    problems = [*_problems(wanted, outputs, target, keys, droplets), *database_problems, *_unready(wanted, address)]
    if standing := takeover.find(session):
        problems = [f"{takeover.sentence(session, standing)}: ./invoke deploy --plan says what can be done"]
    return Status(
        environment=settings.environment,
        cloud=settings.cloud.name,
        url=reference.url(wanted, address) if live else None,
        floating_ip=address,
        live=live,
        standby=_running(wanted, wanted.standby, standby_id),
        database=database,
        run=_run(session),
        problems=problems,
        warnings=[
            *([f"{name} is not committed"] if session.git.changed([name]) else []),
            *(["the database user of the standby has expired"] if wanted.standby in _expired(wanted) else []),
        ],
    )


def _run(session: Session) -> str | None:
    lock = session.key.lock_key(session.settings.names.lock)
    holder = account_lock.who_holds(Account(session.settings.cloud), lock)
    return f"{holder}{', which died' if holder.is_dead_here else ''}" if holder else None


def _running(wanted: Reference, key: str | None, droplet_id: int | None) -> Running | None:
    if droplet_id is None:
        return None
    release = wanted.releases.get(key or "")
    if release is None:
        return Running("unknown", key or "unknown", "unknown", droplet_id)
    return Running(release.version, release.key, release.image, droplet_id)


def _problems(
    wanted: Reference,
    outputs: Outputs,
    target: int | None,
    keys: Mapping[int, str],
    droplets: Mapping[int, Droplet],
) -> list[str]:
    confirmed = outputs.confirmed
    found = []
    if wanted != confirmed:
        found.append(f"git says {wanted.live} is live, and the last one confirmed is {confirmed.live}")
    if keys.get(target or 0) != wanted.live:
        found.append(f"the floating IP points at {_name(target, keys, droplets)}, and git says {wanted.live}")
    for droplet_id, key in keys.items():
        droplet = droplets.get(droplet_id)
        if droplet is None or droplet.status != "active":
            found.append(f"the droplet of {key} is {droplet.status if droplet else 'gone'}")
        elif key not in wanted.running:
            found.append(f"the droplet of {key} stands, and git says that it is not needed: ./invoke deploy")
    for droplet_id in droplets.keys() - keys.keys():
        found.append(f"droplet {droplets[droplet_id].name} is in no state")
    return found


def _unready(wanted: Reference, address: str | None) -> list[str]:
    """What the live release says when it is asked whether it is ready, unless it is."""
    if not (wanted.live and address):
        return []
    live = wanted.releases[wanted.live]
    try:
        answer = AppClient.of(live, address, seconds=ANSWER_S).ask(live.contract.health or live.contract.probe)
    except requests.RequestException as error:
        why = "no connection" if isinstance(error, requests.ConnectionError) else "no answer in time"
        return [f"{wanted.live} does not answer at {address} ({why}): wait if it boots, else ./invoke heal"]
    said = document(answer)
    reason = said.get("reason") or said.get("status") or f"status {answer.status_code}"
    ready = answer.status_code == OK if live.contract.health else answer.status_code < SERVER_ERROR
    return [] if ready else [f"{wanted.live} is not ready: {reason}"]


def _database(session: Session, wanted: Reference, live: Droplet | None) -> tuple[Database | None, list[str]]:
    """The cluster and what is wrong with it; before the first deploy there is none, and nothing wrong with that."""
    settings, users = session.settings, {key: wanted.releases[key].database_user for key in wanted.running}
    asked, used = settings.project.database, any(users.values())
    cluster = session.api.cluster(settings.cluster, settings.tag) if asked or used else None
    if cluster is None:
        return None, [f"the database {settings.cluster} is gone"] if used else []
    problems = drift(session, asked, cluster) if asked else []
    if cluster.status != "online":
        problems.append(f"the database {cluster.name} is {cluster.status}")
    known = session.api.database_users(cluster.id)
    problems += [
        f"the database user {user} of {key} is gone"
        for key, user in users.items()
        if user and not wanted.releases[key].database_expires and user not in known
    ]
    if wanted.live in _expired(wanted):
        problems.append(f"the database user of {wanted.live} has expired: ./invoke rotate database")
    user = users.get(wanted.live or "", "")
    schema = None
    if live is not None and wanted.live and user:
        try:
            schema = migration.status(session, cluster, wanted.live, live.address)
        except PipelineError as error:
            problems.append(f"the schema cannot be asked for: {error.message}")
    pending = schema["pending"] if schema else None
    if pending:
        problems.append(f"the live release wants migrations that were not done: {', '.join(map(str, pending))}")
    found = Database(
        cluster=cluster.name,
        status=cluster.status,
        version=cluster.version,
        size=cluster.size,
        nodes=cluster.nodes,
        trusted_sources=[source_name(source) for source in session.api.trusted_sources(cluster.id)],
        user=user,
        expires=wanted.releases[wanted.live].database_expires if wanted.live else "",
        schema=schema["current"] if schema else None,
        pending=pending,
    )
    return found, problems


def _expired(wanted: Reference) -> list[str]:
    return [key for key in wanted.running if lease.has_ended(wanted.releases[key])]


def _name(target: int | None, keys: Mapping[int, str], droplets: Mapping[int, Droplet]) -> str:
    if target is None:
        return "nothing"
    return keys.get(target) or (droplets[target].name if target in droplets else f"droplet {target}")


def _ends(expires: str) -> str:
    seconds = lease.left_until(expires)
    return f"credential expires in {spell(seconds)}" if seconds > 0 else "credential expired"


def render(status: Status) -> str:
    """The status as a person reads it."""
    rows = [("environment", f"{status.environment} on {status.cloud}"), ("url", status.url or "-")]
    for name, running in (("live", status.live), ("standby", status.standby)):
        rows.append((name, f"{running.release} · {running.image} · droplet {running.droplet_id}" if running else "-"))
    if database := status.database:
        facts = [f"PostgreSQL {database.version} on {database.nodes} × {database.size}", database.status]
        facts += [f"schema {database.schema}"] if database.schema is not None else []
        facts += [f"user {database.user}"] if database.user else []
        facts += [_ends(database.expires)] if database.expires else []
        rows.append(("database", " · ".join([database.cluster, *facts])))
        rows.append(("trusted", ", ".join(database.trusted_sources) or "everybody"))
    if status.run:
        rows.append(("under way", status.run))
    rows.append(("in sync", "yes" if status.in_sync else "no"))
    notes = [
        *(f"✗ {line(problem)}" for problem in status.problems),
        *(f"! {line(warning)}" for warning in status.warnings),
    ]
    return "\n".join([table(rows), *notes])
