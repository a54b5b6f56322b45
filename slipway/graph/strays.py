"""What a run that was killed made and no state knows of: taken over, or removed by the next run.

Whoever calls this holds the environment, so nobody else can be making any of it.
"""

from __future__ import annotations

from slipway.environment.outputs import Outputs
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import adoption
from slipway.names import user_number
from slipway.tools.digitalocean import API


def remove_strays(session: Session, outputs: Outputs) -> bool:
    """Take over what was made and not written down, if it is there but once, and remove what is made for a release.

    The former are the address and the key, the latter droplets and database users that no state knows. ``outputs`` are
    the state's last word. What the floating IP points at stays, unless the very first apply died before it was
    confirmed; returns whether there is such a droplet, which can go when the address has moved. Where there is no state
    and nothing was ever ordered, all there is belongs to a state elsewhere.
    """
    if not (session.roots[0].has_state or adoption.is_due(session.roots[0])):
        return False
    never_confirmed = adoption.adopt(session, outputs)
    found = _droplets(session.api, session.settings.tag, outputs)
    addressed = session.api.floating_ip_targets() if found and not never_confirmed else set()
    droplets = {number: name for number, name in found.items() if number not in addressed}
    carries = len(droplets) < len(found)
    users = _users(session, outputs)
    if not (droplets or users):
        return carries
    resources = session.terraform().resources()
    known = {str(each.get("id")) for kind, each in resources if kind == "digitalocean_droplet"}
    named = {str(each.get("name")) for kind, each in resources if kind == "digitalocean_database_user"}
    for number, name in droplets.items():
        if str(number) not in known:
            _remove(session, f"droplets/{number}", f"the droplet {name}")
    for path, name in users.items():
        if name not in named:
            _remove(session, path, f"the database user {name}")
    return carries


def _droplets(api: API, tag: str, outputs: Outputs) -> dict[int, str]:
    """Droplets that do not stand where the state's last word has them."""
    written = {member.id for _, member in outputs.members()}
    return {each.id: each.name for each in api.droplets(tag) if each.id not in written}


def _users(session: Session, outputs: Outputs) -> dict[str, str]:
    """Database users of the pipeline's own naming that no confirmed release has, by their path in the API."""
    if session.settings.project.database is None:
        return {}
    cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
    if cluster is None:
        return {}
    confirmed = outputs.confirmed
    used = {confirmed.releases[key].database_user for key in confirmed.running}
    return {
        f"databases/{cluster.id}/users/{name}": name
        for name in session.api.database_users(cluster.id)
        if user_number(name) is not None and name not in used
    }


def _remove(session: Session, path: str, what: str) -> None:
    session.progress.warn(f"removing {what}, which a run that died left behind")
    try:
        session.api.remove(path)
    except PipelineError as error:
        session.progress.warn(f"{what} could not be removed: {error.message}")
