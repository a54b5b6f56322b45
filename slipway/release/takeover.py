"""An environment that stands in the cloud while its state is in another checkout: recognised, refused, or taken over.

Without this a second clone would plan everything anew, and end at the first name that the account has already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import adoption
from slipway.names import user_number
from slipway.runs import account_lock
from slipway.runs import run as runs
from slipway.tools.digitalocean import Cluster, Droplet
from slipway.tools.terraform import state
from slipway.tools.terraform.engine import Root


@dataclass(frozen=True)
class Standing:
    """What the cloud has of an environment whose state is not in this checkout. ``keys`` are ids of deploy keys."""

    droplets: Sequence[Droplet]
    cluster: Cluster | None
    keys: Sequence[int]

    def __str__(self) -> str:
        said = [f"the droplet {each.name}" for each in self.droplets]
        said += [f"the database cluster {self.cluster.name}"] if self.cluster else []
        return ", ".join(said) or "its deploy key"


def find(session: Session) -> Standing | None:
    """What stands of the environment and no state here knows; None when there is nothing, or the state is here."""
    names, api, (app, data) = session.settings.names, session.api, session.roots
    if _is_here(app, lambda: session.outputs() != Outputs() or session.terraform().resources()):
        return None
    cluster = None
    if session.settings.project.database and not _is_here(data, lambda: session.database().resources()):
        cluster = api.cluster(names.cluster, names.tag)
    keys = [id for id, name in api.keys() if name == names.deploy_key]
    standing = Standing(api.droplets(names.tag), cluster, keys)
    return standing if standing.droplets or cluster or keys else None


def _is_here(root: Root, contents: Callable[[], object]) -> bool:
    """Whether this checkout has a root module's state, with something in it or with an apply that was cut short."""
    return root.elsewhere or state.ordered(root.folder) is not None or (root.has_state and bool(contents()))


def sentence(session: Session, standing: Standing) -> str:
    """What is the matter, without a full stop."""
    names = session.settings.names
    return (
        f"the environment {names.environment} of {names.project} stands already, and its state is not in this checkout"
        f" (there are {standing})"
    )


def refuse(session: Session) -> None:
    """Raise PipelineError with the ways on when the environment's state is elsewhere, or is of before."""
    _refuse_names_of_before(session)
    standing = find(session)
    if standing is None:
        return
    said, settings = sentence(session, standing), session.settings
    folder = f".slipway/{settings.environment}"
    ways = [
        f"Work in the checkout that made it, or copy its {folder}/ here with all that is in it: the states"
        " (terraform/, database/), their key (state.key) and the deploy key (id_ed25519).",
        "./invoke takeover takes the address and the database into a state of this checkout. The next deploy then"
        " replaces the droplets.",
    ]
    if settings.cloud.name == "local":
        ways.append("./invoke cloud.reset removes everything in the local cloud.")
    raise PipelineError(f"{said[0].upper()}{said[1:]}.", "\n".join(ways))


def _refuse_names_of_before(session: Session) -> None:
    """Raise PipelineError for an environment that was made when names had no project in them, or another one."""
    names = session.settings.names
    released = reference.read(session.settings.reference_path).releases.values()
    droplets = [member.name for _, member in session.outputs().members()]
    strange = [each.image for each in released if names.version(each.image, ()) is None]
    strange += [name for name in droplets if names.release(name) == name]
    if strange:
        raise PipelineError(
            f"The environment {names.environment} has {strange[0]}, whose name does not begin with that of the project"
            f" {names.project}: it was made under another name, or by a slipway without names of projects.",
            "Names do not change afterwards. CHANGELOG.md says how to move an environment of before; [project] name in"
            " slipway.toml may be put back to what it was.",
        )


def take_over(session: Session) -> Standing:
    """Take what stands into a state of this checkout: the database with its users, and the address.

    The droplets go on serving. None can be logged in to without the deploy key that made it, so the next deploy makes
    others, moves the address and removes these. Raises PipelineError when there is nothing, or another run has it.
    """
    _refuse_names_of_before(session)
    with runs.alone(session, "takeover") as run:
        standing = find(session)
        if standing is None:
            raise PipelineError(
                "There is nothing to take over: no such environment stands, or its state is here.", "./invoke status"
            )
        _refuse_the_busy(session, run.id)
        app, data = session.roots
        # From here on what stands counts as this checkout's, so that a deploy goes on where this is cut short.
        strange = [each.address for each in session.api.floating_ips() if session.settings.tag not in each.tags]
        state.order(app.folder, strange)
        if standing.cluster:
            state.order(data.folder, [])
            with session.progress.step(f"take over the database {standing.cluster.name}"):
                _take_database(session, standing.cluster)
            state.settle(data.folder)
        with session.progress.step("take over the address"):
            adoption.adopt(session, Outputs())
        own = adoption.own_key(session)
        for id in standing.keys:
            if own is None or id != own.id:
                session.api.remove(f"account/keys/{id}")
    return standing


def _take_database(session: Session, cluster: Cluster) -> None:
    """With the users that the droplets log in as: what no state knows would be removed while they still serve."""
    adoption.adopt_database(session, cluster)
    users = [name for name in session.api.database_users(cluster.id) if user_number(name) is not None]
    engine = session.terraform().using({"TF_VAR_users": json.dumps(users)})
    for name in users:
        engine.adopt(f'digitalocean_database_user.app["{name}"]', f"{cluster.id},{name}")


def _refuse_the_busy(session: Session, run: str) -> None:
    """Raise PipelineError when a run elsewhere has the environment. Its lock follows from another deploy key."""
    for holder in account_lock.at_work(name for _, name in session.api.keys()):
        if holder.lock == session.settings.names.lock and holder.run != run:
            raise PipelineError(f"Another run has {holder.environment}: {holder}.", "Try again when it has ended.")
