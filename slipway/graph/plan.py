"""What an apply is about to do: read as data before it is done, said in one sentence, and refused where it would hurt.

The data are the changes of `tofu plan -json`: https://opentofu.org/docs/internals/machine-readable-ui/#planned-change
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slipway.environment.reference import Reference
from slipway.errors import PipelineError

DROPLET = "digitalocean_droplet"
ADDRESS = "digitalocean_floating_ip"
ASSIGNMENT = "digitalocean_floating_ip_assignment"
USER = "digitalocean_database_user"
KEY = "digitalocean_ssh_key"
_DATABASE = ("digitalocean_database_cluster", "digitalocean_database_db", "digitalocean_database_replica")
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "replace": ("delete", "create"),
    "noop": (),
    "read": (),
    "import": (),  # the state alone learns of it
}
"""What an action does, where it is not one thing that has its name."""
_PLAIN = {
    KEY: "deploy key",
    ADDRESS: "floating IP",
    "digitalocean_database_cluster": "database cluster",
    "digitalocean_database_db": "database",
    "digitalocean_database_firewall": "database's trusted sources",
    "digitalocean_tag": "tag",
}


@dataclass(frozen=True)
class Change:
    """One resource that an apply would change; ``key`` is that of `for_each`, empty where there is none."""

    address: str
    kind: str
    name: str
    key: str
    actions: tuple[str, ...]

    @property
    def creates(self) -> bool:
        """Whether something new comes, be it in place of what was there."""
        return "create" in self.actions

    @property
    def deletes(self) -> bool:
        """Whether something goes, be it replaced."""
        return "delete" in self.actions


@dataclass(frozen=True)
class CurrentState:
    """What stands before a plan. ``confirmed`` is the reference that was confirmed last: its releases are verified.

    ``address`` is the floating IP, and ``carrying`` the release whose droplet it points at in the cloud, whatever the
    state says; both are empty where there is none, or none that is known.
    """

    confirmed: Reference = Reference()
    address: str = ""
    carrying: str = ""

    def carries(self, key: str) -> bool:
        """Whether the droplet of a release has the traffic; when the cloud cannot tell, the one confirmed last does."""
        return key in self.confirmed.running and key == (self.carrying or self.confirmed.live)


class Refused(PipelineError):
    """A plan that must not be carried out. Nothing was changed."""


@dataclass(frozen=True)
class Plan:
    """What an apply would do, in the order in which it does it; ``refused`` is why it must not be done.

    ``needed`` is whether it would do anything, if only to its own records.
    """

    sentence: str
    changes: Sequence[Change] = ()
    refused: Sequence[str] = ()
    needed: bool = True

    def refuse(self, done: str = "") -> None:
        """Raise Refused when it must not be done; ``done`` is what the run did before it was planned."""
        if self.refused:
            before = f"Done before: {done}." if done else "Nothing was changed."
            raise Refused(
                self.refusal,
                f"It would {self.sentence}. {before}\n./invoke destroy removes an environment that is not"
                " wanted any more.",
            )

    @property
    def refusal(self) -> str:
        """Why it must not be done, as a sentence."""
        return f"The plan is refused: {'; '.join(self.refused)}."

    def after(self, sentence: str) -> Plan:
        """The same after something else, which is told first."""
        if not sentence:
            return self
        return replace(self, sentence=f"{sentence}, {self.sentence}" if self.needed else sentence, needed=True)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data, without the values, of which some are secret."""
        changes = [{"address": each.address, "key": each.key, "actions": list(each.actions)} for each in self.changes]
        return {
            "sentence": self.sentence,
            "needed": self.needed,
            "changes": changes,
            "refused": list(self.refused),
        }


def read(
    planned: Sequence[Mapping[str, Any]] | None,
    target: Reference,
    now: CurrentState,
    with_boot_data: Collection[str] = (),
) -> Plan:
    """Judge a plan that leads to ``target``, by its changes; None is one without any.

    ``with_boot_data`` are the releases whose droplets the run can create, because it has their settings.
    """
    if planned is None:
        return Plan("change nothing", refused=list(_stays([], target, now)), needed=False)
    changes = list(_changes(planned))
    refused = [*_refusals(changes, target, now), *_vanished(changes, with_boot_data)]
    return Plan(_sentence(changes, target, now), changes, refused)


def losses(planned: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """Why a plan of the database's root module must not be carried out: what it would destroy of the data."""
    for each in _changes(planned or []):
        if each.deletes and each.kind in _DATABASE:
            yield f"it would {'replace' if each.creates else 'destroy'} the database ({each.address})"


def _changes(planned: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    for each in planned:
        resource, actions = each["resource"], _ACTIONS.get(each["action"], (str(each["action"]),))
        if actions:
            key = resource.get("resource_key")
            names = resource["addr"], resource["resource_type"], resource["resource_name"]
            yield Change(*names, "" if key is None else str(key), actions)


def _refusals(changes: Sequence[Change], target: Reference, now: CurrentState) -> Iterator[str]:
    moves = any(each.kind == ASSIGNMENT and each.creates for each in changes)
    used = {target.releases[key].database_user for key in target.running}
    for each in changes:
        verb = "replace" if each.creates else "destroy"
        if each.kind == DROPLET and "update" in each.actions:
            yield f"it would change the droplet of {each.key}, and a droplet is never changed"
        elif not each.deletes:
            continue
        elif each.kind in _DATABASE:
            yield f"it would {verb} the database ({each.address})"
        elif each.kind == ADDRESS:
            yield f"it would {verb} the floating IP {now.address}".rstrip()
        elif each.kind == ASSIGNMENT and not each.creates and target.live:
            yield f"it would take {now.address or 'the floating IP'} away and give it to nobody"
        elif each.kind == USER and each.key in used:
            yield f"it would {verb} the database user {each.key} of a release that runs"
        elif each.kind == DROPLET and now.carries(each.key) and (each.creates or each.key == target.live):
            yield f"it would {verb} the live droplet, of {each.key}"
        elif each.kind == DROPLET and now.carries(each.key) and not moves:
            yield f"it would {verb} the droplet of {each.key} while the floating IP points at it"
    yield from _stays(changes, target, now)
    for key in target.retiring:
        if now.carries(key) and not moves:
            yield f"it would destroy the droplet of {key} while the floating IP points at it"


def _vanished(changes: Sequence[Change], with_boot_data: Collection[str]) -> Iterator[str]:
    """Why a plan must not create a droplet that existed when the run began: it would boot without its settings."""
    for each in changes:
        if each.kind == DROPLET and each.actions == ("create",) and each.key not in with_boot_data:
            yield f"the droplet of {each.key} vanished during this run"


def _stays(changes: Sequence[Change], target: Reference, now: CurrentState) -> Iterator[str]:
    """Why a plan is of no use that leaves the address where it should not be."""
    moves = any(each.kind == ASSIGNMENT and each.creates for each in changes)
    if target.live and not moves and target.live != now.carrying:
        yield f"it would not move {now.address or 'the floating IP'} to {target.live}"


def _sentence(changes: Sequence[Change], target: Reference, now: CurrentState) -> str:
    """One sentence without a subject and a full stop."""
    made = [_image_of(each, target) for each in changes if each.kind == DROPLET and each.creates]
    gone = [*(each.key for each in changes if each.kind == DROPLET and each.deletes), *target.retiring]
    said = [
        *_droplets("create", made),
        *_others(changes, "create"),
        *_others(changes, "update"),
        *_moves(changes, target, now),
        *_droplets("destroy", gone),
        *_others(changes, "delete"),
    ]
    if any(each.kind == DROPLET and "update" in each.actions for each in changes):
        said.insert(0, "change a droplet")
    return ", ".join(said) or "write down anew what was confirmed"


def _droplets(verb: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"{verb} {len(names)} droplet{'s' if len(names) > 1 else ''} of {' and '.join(sorted(names))}"


def _image_of(droplet: Change, target: Reference) -> str:
    return target.releases[droplet.key].image if droplet.key in target.releases else droplet.key


def _moves(changes: Sequence[Change], target: Reference, now: CurrentState) -> Iterator[str]:
    for each in changes:
        if each.kind == ASSIGNMENT:
            address = now.address or "the floating IP"
            yield f"move {address} to {target.live}" if each.creates else f"take {address} away"


def _others(changes: Sequence[Change], action: str) -> Iterator[str]:
    for each in changes:
        if action not in each.actions or each.kind in (DROPLET, ASSIGNMENT) or each.kind == "terraform_data":
            continue
        verb = {"create": "make", "update": "change", "delete": "remove"}[action]
        if each.kind == USER:
            yield f"{verb} the database user {each.key}"
        else:
            yield f"{verb} the {_PLAIN[each.kind]}" if each.kind in _PLAIN else f"{verb} {each.address}"
