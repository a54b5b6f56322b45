"""What the last apply left: the public address, the droplets of each release, and what was confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from slipway.data import Malformed, OpenTable, checked
from slipway.environment.reference import Reference
from slipway.errors import PipelineError


@dataclass(frozen=True)
class Member:
    """A droplet of a release, as the state has it. ``address`` is its own public one."""

    id: int
    name: str
    address: str


@dataclass(frozen=True)
class Group:
    """The droplets of a release: one today."""

    release: str
    members: tuple[Member, ...]

    @property
    def ids(self) -> frozenset[int]:
        """The droplets by number."""
        return frozenset(member.id for member in self.members)

    @property
    def first(self) -> Member:
        """The droplet that stands for the group where one is asked."""
        return self.members[0]


@dataclass(frozen=True, kw_only=True)
class _Droplet(OpenTable):
    id: Annotated[int, Field(ge=1)]
    name: str = ""
    address: str


@dataclass(frozen=True, kw_only=True)
class _Outputs(OpenTable):
    floating_ip: str | None = None
    droplets: dict[str, _Droplet] | None = None
    reference: Any = None


@dataclass(frozen=True)
class Outputs:
    """The outputs of the release graph. ``groups`` are by release key; ``address`` is empty where none is reserved."""

    address: str = ""
    groups: Mapping[str, Group] = field(default_factory=dict)
    confirmed: Reference = field(default_factory=Reference)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Outputs:
        """Of what OpenTofu tells; raises PipelineError for what slipway did not write."""
        try:
            found = checked(_Outputs, data)
        except Malformed as error:
            raise PipelineError(
                f"The outputs of the state are not as slipway writes them: {error}.",
                "Was the state changed by hand? terraform.tfstate.kept beside it is the one before.",
            ) from error
        groups = {
            key: Group(key, (Member(each.id, each.name, each.address),)) for key, each in (found.droplets or {}).items()
        }
        return cls(found.floating_ip or "", groups, Reference.from_state(found.reference))

    def group(self, release: str | None) -> Group | None:
        """The droplets of a release, if it has any."""
        return self.groups.get(release or "")

    def members(self) -> Iterator[tuple[str, Member]]:
        """Every droplet with its release's key."""
        return ((key, member) for key, group in self.groups.items() for member in group.members)

    def release_of(self, droplet: int | None) -> str:
        """The key of the release that a droplet is of; empty for one that is not in the state."""
        return next((key for key, member in self.members() if member.id == droplet), "")
