"""The kinds of resources that take part in more than their own routes: in tags, projects or limits. One line each.

A kind that does none of these (keys, VPCs) has no line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localocean.engine import limits
from localocean.store.records import DATABASE, DROPLET, ERRORED, FLOATING_IP, IMAGE
from localocean.store.store import Store, Table


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    ``path`` is where it is below `/v2/`, ``table`` has its records, ``key`` is their field by which users name one, and
    ``there`` is the SQL for those that users are shown. ``urn`` is its name in URNs, empty for what no project takes.
    """

    name: str
    path: str
    table: Callable[[Store], Table[Any]]
    key: str = "id"
    there: str = "1"
    urn: str = ""
    taggable: bool = False
    limit: int | None = None

    def has(self, store: Store, identifier: str) -> bool:
        """Whether there is one of that id."""
        if self.key == "id" and not (identifier.isdecimal() and len(identifier) < 19):
            return False
        return self.table(store).first(f"({self.there}) AND {self.key} = ?", identifier) is not None

    def urns(self, store: Store) -> list[tuple[str, str]]:
        """The URN of each, and since when it is there."""
        found = self.table(store).find(self.there)
        return [(self.urn_of(getattr(each, self.key)), each.created_at) for each in found]

    def urn_of(self, identifier: object) -> str:
        """The URN of the one with that id."""
        return f"do:{self.urn}:{identifier}"


DROPLETS = Kind(DROPLET, "droplets", lambda store: store.droplets, urn="droplet", taggable=True, limit=limits.DROPLETS)
FLOATING_IPS = Kind(
    *(FLOATING_IP, "floating_ips", lambda store: store.floating_ips),
    key="address",
    urn="floatingip",
    limit=limits.FLOATING_IPS,
)
IMAGES = Kind(IMAGE, "images", lambda store: store.images, there="NOT deleted", taggable=True)
CLUSTERS = Kind(
    *(DATABASE, "databases", lambda store: store.database_clusters),
    key="uuid",
    there=f"NOT doomed AND status != '{ERRORED}'",
    urn="dbaas",
    taggable=True,
)

KINDS = (DROPLETS, FLOATING_IPS, CLUSTERS, IMAGES)
TAGGABLE = {kind.name: kind for kind in KINDS if kind.taggable}
IN_PROJECTS = {kind.urn: kind for kind in KINDS if kind.urn}
