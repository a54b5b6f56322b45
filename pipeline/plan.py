"""What an apply is about to do: read as data before it is done, said in one sentence, and refused where it would hurt.

The shape of the data is that of `tofu show -json`: https://opentofu.org/docs/internals/json-format/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import PipelineError
from pipeline.reference import Reference

DROPLET = "digitalocean_droplet"
ADDRESS = "digitalocean_floating_ip"
ASSIGNMENT = "digitalocean_floating_ip_assignment"
USER = "digitalocean_database_user"
_DATABASE = ("digitalocean_database_cluster", "digitalocean_database_db", "digitalocean_database_replica")
_PLAIN = {
    "digitalocean_ssh_key": "deploy key",
    ADDRESS: "floating IP",
    "digitalocean_database_cluster": "database cluster",
    "digitalocean_database_db": "database",
    "digitalocean_database_firewall": "database's trusted sources",
    "digitalocean_tag": "tag",
}


@dataclass(frozen=True)
class Change:
    """One resource that an apply would change. ``before`` and ``after`` are None where there is nothing."""

    address: str
    kind: str
    name: str
    key: str
    actions: tuple[str, ...]
    before: Mapping[str, Any] | None = field(default=None, repr=False)
    after: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def creates(self) -> bool:
        """Whether something new comes, be it in place of what was there."""
        return "create" in self.actions

    @property
    def deletes(self) -> bool:
        """Whether something goes, be it replaced."""
        return "delete" in self.actions

    def value(self, name: str) -> Any:
        """An attribute as it is, else as it will be; None where that is not known yet."""
        return ((self.before or {}).get(name)) or ((self.after or {}).get(name))


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

    def refuse(self) -> None:
        """Raise Refused when it must not be done."""
        if self.refused:
            raise Refused(
                f"The plan is refused: {'; '.join(self.refused)}.",
                f"It would {self.sentence}. Nothing was changed.\n./invoke destroy removes an environment that is not"
                " wanted any more.",
            )

    def as_json(self) -> dict[str, Any]:
        """The same as plain data, without the values, of which some are secret."""
        changes = [{"address": each.address, "key": each.key, "actions": list(each.actions)} for each in self.changes]
        return {
            "sentence": self.sentence,
            "needed": self.needed,
            "changes": changes,
            "refused": list(self.refused),
        }


def address(data: Mapping[str, Any]) -> str | None:
    """The floating IP that there is before the plan is carried out; None when there is none yet."""
    for each in data.get("resource_changes") or []:
        if each["type"] == ADDRESS and (before := each["change"].get("before")):
            return str(before["ip_address"])
    return None


def read(
    data: Mapping[str, Any] | None,
    target: Reference,
    *,
    confirmed: Reference | None = None,
    carrying: int | None = None,
) -> Plan:
    """Judge a plan that leads to ``target``; None is one without changes.

    ``carrying`` is the droplet behind the floating IP now, whatever the state says, and ``confirmed`` the reference
    that was confirmed last: its releases are verified, and the others are candidates.
    """
    if data is None:
        return Plan("change nothing", needed=False)
    changes = list(_changes(data))
    refused = list(_refusals(changes, target, confirmed or Reference(), carrying))
    return Plan(_sentence(changes, target), changes, refused)


def _changes(data: Mapping[str, Any]) -> Iterator[Change]:
    for each in data.get("resource_changes") or []:
        change = each["change"]
        if each["mode"] == "managed" and change["actions"] not in (["no-op"], ["read"]):
            names = each["address"], each["type"], each["name"], str(each.get("index", ""))
            yield Change(*names, tuple(change["actions"]), change.get("before"), change.get("after"))


def _refusals(
    changes: Sequence[Change], target: Reference, confirmed: Reference, carrying: int | None
) -> Iterator[str]:
    moves = any(each.kind == ASSIGNMENT and each.creates for each in changes)
    used = {target.releases[key].database_user for key in target.running}
    for each in changes:
        verb = "replace" if each.creates else "destroy"
        if each.kind in _DATABASE and each.deletes:
            yield f"it would {verb} the database ({each.address})"
        elif each.kind == ADDRESS and each.deletes:
            yield f"it would {verb} the floating IP {each.value('ip_address')}"
        elif each.kind == ASSIGNMENT and each.deletes and not each.creates and target.live:
            yield f"it would take the floating IP {each.value('ip_address')} away and give it to nobody"
        elif each.kind == USER and each.deletes and each.value("name") in used:
            yield f"it would {verb} the database user {each.value('name')} of a release that runs"
        elif each.kind == DROPLET and each.before is not None:
            carries = carrying is not None and int(each.before["id"]) == carrying and each.key in confirmed.running
            if "update" in each.actions:
                yield f"it would change the droplet of {each.key}, and a droplet is never changed"
            elif carries and (each.creates or each.key == target.live):
                yield f"it would {verb} the live droplet, of {each.key}"
            elif carries and not moves:
                yield f"it would {verb} the droplet of {each.key} while the floating IP points at it"


def _sentence(changes: Sequence[Change], target: Reference) -> str:
    """One sentence without a subject and a full stop."""
    said = [
        *_counted(changes, DROPLET, "create", _image_of(target)),
        *_others(changes, "create"),
        *_others(changes, "update"),
        *_moves(changes, target),
        *_counted(changes, DROPLET, "delete", lambda each: each.key),
        *_others(changes, "delete"),
    ]
    if any(each.kind == DROPLET and "update" in each.actions for each in changes):
        said.insert(0, "change a droplet")
    return ", ".join(said) or "write down anew what was confirmed"


def _counted(changes: Sequence[Change], kind: str, action: str, name: Callable[[Change], str]) -> Iterator[str]:
    found = [each for each in changes if each.kind == kind and action in each.actions]
    if found:
        verb = "destroy" if action == "delete" else "create"
        plural = "s" if len(found) > 1 else ""
        yield f"{verb} {len(found)} droplet{plural} of {' and '.join(sorted(map(name, found)))}"


def _image_of(target: Reference) -> Callable[[Change], str]:
    return lambda each: target.releases[each.key].image if each.key in target.releases else each.key


def _moves(changes: Sequence[Change], target: Reference) -> Iterator[str]:
    for each in changes:
        if each.kind == ASSIGNMENT:
            address = each.value("ip_address") or "the floating IP"
            yield f"move {address} to {target.live}" if each.creates else f"take {address} away"


def _others(changes: Sequence[Change], action: str) -> Iterator[str]:
    for each in changes:
        if action not in each.actions or each.kind in (DROPLET, ASSIGNMENT) or each.kind == "terraform_data":
            continue
        verb = {"create": "make", "update": "change", "delete": "remove"}[action]
        if each.kind == USER:
            yield f"{verb} the database user {each.value('name')}"
        elif each.kind == ADDRESS and each.value("ip_address"):
            yield f"{verb} the floating IP {each.value('ip_address')}"
        else:
            yield f"{verb} the {_PLAIN[each.kind]}" if each.kind in _PLAIN else f"{verb} {each.address}"
