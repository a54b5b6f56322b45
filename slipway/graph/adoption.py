"""What a run ordered and could not write down is taken into the state by the next one, instead of being made again.

That may only be done with what is surely the environment's own. A name proves nothing: the state may lie on another
machine. And a floating IP has neither name nor tags nor a date. So before an apply makes what is there once and for
all, it is noted what the account has of that kind; the note goes when the apply has ended well. Where it is found, what
was not there before is ours. A state that is kept elsewhere is the same for all, and there names suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from slipway.environment.outputs import Outputs
from slipway.environment.session import Session
from slipway.graph.plan import ADDRESS, KEY, Plan
from slipway.progress import Progress
from slipway.runs import account_lock
from slipway.tools.account import Account, Key, fingerprint
from slipway.tools.digitalocean import Cluster
from slipway.tools.terraform import state
from slipway.tools.terraform.engine import Root, Terraform

_CLUSTER, _DATABASE = "digitalocean_database_cluster", "digitalocean_database_db"


@contextmanager
def ordering(root: Root, before: Iterable[str]) -> Iterator[None]:
    """Note that things are ordered, and the ids of those that were there before; forget it when that ended well."""
    state.order(root.folder, list(before))
    yield
    state.settle(root.folder)


@contextmanager
def ordering_of(session: Session, plan: Plan) -> Iterator[None]:
    """The same for what a plan of the release graph makes, where the floating IP or the deploy key is among it."""
    if not any(each.creates and each.kind in (ADDRESS, KEY) for each in plan.changes):
        yield
        return
    key = own_key(session)
    before = [*(each.address for each in session.api.floating_ips()), *([str(key.id)] if key else [])]
    with ordering(session.roots[0], before):
        yield


def is_due(root: Root) -> bool:
    """Whether there may be something that was ordered and is not in the state."""
    return root.elsewhere or state.ordered(root.folder) is not None


def adopt(session: Session, outputs: Outputs) -> bool:
    """Take the deploy key and the floating IP into the state, if they are there and not in it.

    ``outputs`` are the state's last word: when something was confirmed, all of it is in there. Returns whether an apply
    that should have made them never ended well, so that nothing was ever confirmed.
    """
    root = session.roots[0]
    state.rescue(root.folder, session.progress.warn)
    if outputs.confirmed.live or not is_due(root):
        return False
    unsettled = state.ordered(root.folder) is not None
    known = _kinds(session.terraform()) if root.has_state else set()
    key = own_key(session) if KEY not in known else None
    if key and key.name == session.settings.names.deploy_key and _is_new(root, str(key.id)):
        _take(session.progress, session.terraform(), f"{KEY}.deploy", str(key.id), f"the deploy key {key.name}")
    if ADDRESS not in known and (address := lost_address(session)):
        _take(session.progress, session.terraform(), f"{ADDRESS}.public", address, f"the floating IP {address}")
    state.settle(root.folder)
    return unsettled


def lost_address(session: Session) -> str:
    """The floating IP that was ordered and is not in the state, which knows none; empty when that cannot be told.

    It points at a droplet of the environment; or it points at nothing, no other has come since the order, and nobody
    else of the account is at work, who may have ordered it.
    """
    root, region = session.roots[0], session.settings.project.droplet.region
    found = [each for each in session.api.floating_ips() if each.region == region and _is_new(root, each.address)]
    ours = [each.address for each in found if session.settings.tag in each.tags]
    if not ours and state.ordered(root.folder) is not None:
        ours = [each.address for each in found if each.droplet is None]
        others = account_lock.at_work(name for _, name in session.api.keys()) if ours else []
        if any(holder.lock != session.settings.names.lock for holder in others):
            session.progress.warn(
                f"the floating IP {' and '.join(ours)} may be of another run that is under way in the account:"
                " it is not taken over"
            )
            return ""
    if len(ours) > 1:
        session.progress.warn(
            f"one of the floating IPs {' and '.join(ours)} was ordered by a run that died, and which cannot be told:"
            " none is touched, and ./invoke reap says what to do"
        )
    return ours[0] if len(ours) == 1 else ""


def adopt_database(session: Session, cluster: Cluster, *, ordered_now: bool = False) -> None:
    """Take the cluster, which is online, and its database into their state, if they are not in it.

    ``ordered_now`` tells that this run has ordered it, and none that died.
    """
    root, known = session.roots[1], set[str]()
    if root.has_state:
        known = _kinds(session.database())
    if _CLUSTER not in known:
        if not _is_new(root, cluster.id):
            return
        _take(
            session.progress,
            session.database(),
            f"{_CLUSTER}.app",
            cluster.id,
            "" if ordered_now else f"the database cluster {cluster.name}",
        )
    if _DATABASE not in known and "app" in session.api.database_names(cluster.id):
        _take(
            session.progress,
            session.database(),
            f"{_DATABASE}.app",
            f"{cluster.id},app",
            f"the database of {cluster.name}",
        )


def _is_new(root: Root, id: str) -> bool:
    """Whether something was not there before the order, or whoever ordered it had this very state."""
    before = state.ordered(root.folder)
    return root.elsewhere if before is None else id not in before


def own_key(session: Session) -> Key | None:
    """The environment's deploy key as the account has it, under whatever name."""
    return Account(session.settings.cloud).key(fingerprint(session.key.public))


def _kinds(terraform: Terraform) -> set[str]:
    return {kind for kind, _ in terraform.resources()}


def _take(progress: Progress, terraform: Terraform, resource: str, id: str, what: str) -> None:
    if what:
        progress.warn(f"taking over {what}, which stands and is in no state")
    terraform.adopt(resource, id)
