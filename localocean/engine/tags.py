"""Tags, and what carries them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from localocean.engine.errors import NotFound, Unprocessable
from localocean.engine.kinds import TAGGABLE
from localocean.store.records import Listing, Page, Tag, Tagging
from localocean.store.store import Store

NAME = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")
ELSEWHERE = ("volume", "volume_snapshot")
"""Kinds that DigitalOcean tags and this cloud does not have."""

Id = TypeVar("Id", int, str)


@dataclass(frozen=True)
class TagUse:
    """A tag with what carries it, in the order of tagging."""

    name: str
    taggings: Sequence[Tagging]


class Tags:
    """Creating a tag that exists is no error; names differ in more than their capitals, and the first ones count."""

    def __init__(self, store: Store, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after what carries a tag that was there before has changed."""
        self.store = store
        self.changed = changed

    def create(self, name: str) -> TagUse:
        with self.store.transaction():
            return self._use(self.ensure(name))

    def ensure(self, name: str) -> Tag:
        """The tag, made if need be. Raises Unprocessable for a name that DigitalOcean refuses."""
        if not NAME.fullmatch(name):
            raise Unprocessable(
                f"Tag name {name!r} is invalid: only letters, numbers, colons, dashes and underscores, at most 255."
            )
        return self.store.tags.first("name = ? COLLATE NOCASE", name) or self.store.tags.add(Tag(name=name))

    def page(self, page: Page) -> Listing[TagUse]:
        listing = self.store.tags.page(page)
        return Listing([self._use(tag) for tag in listing.items], listing.total)

    def get(self, name: str) -> TagUse:
        return self._use(self._tag(name))

    def delete(self, name: str) -> None:
        with self.store.transaction():
            tag = self._tag(name)
            self.store.taggings.delete("tag_id = ?", tag.id)
            self.store.tags.delete("id = ?", tag.id)
        self.changed()

    def attach(self, name: str, resources: Iterable[tuple[str, str]]) -> None:
        """Tag (type, id) pairs. Raises NotFound for an unknown tag or resource, before anything is tagged."""
        with self.store.transaction():
            tag = self._tag(name)
            for kind, identifier in resources:
                self._check(kind, identifier)
                self._tie(tag, kind, identifier)
        self.changed()

    def detach(self, name: str, resources: Iterable[tuple[str, str]]) -> None:
        with self.store.transaction():
            tag = self._tag(name)
            for kind, identifier in resources:
                self.store.taggings.delete(
                    "tag_id = ? AND resource_type = ? AND resource_id = ?", tag.id, kind, identifier
                )
        self.changed()

    def label(self, names: Sequence[str], kind: str, identifier: int | str) -> None:
        """Tag a resource at its creation; tags are made as needed."""
        for name in names:
            self._tie(self.ensure(name), kind, str(identifier))

    def forget(self, kind: str, identifier: int | str) -> None:
        """A resource is gone."""
        self.store.taggings.delete("resource_type = ? AND resource_id = ?", kind, str(identifier))

    def of(self, kind: str, identifiers: Sequence[Id]) -> dict[Id, list[str]]:
        """The tag names of many resources, asked for at once."""
        found: dict[Id, list[str]] = {identifier: [] for identifier in identifiers}
        by_text: dict[str, list[str]] = {str(identifier): names for identifier, names in found.items()}
        marks = ", ".join("?" * len(found))
        rows = self.store.database.rows(
            "SELECT resource_id, name FROM taggings JOIN tags ON tags.id = tag_id"
            f" WHERE resource_type = ? AND resource_id IN ({marks}) ORDER BY taggings.id",
            [kind, *by_text],
        )
        for row in rows:
            by_text[row["resource_id"]].append(row["name"])
        return found

    def _tag(self, name: str) -> Tag:
        tag = self.store.tags.first("name = ?", name)
        if tag is None:
            raise NotFound
        return tag

    def _tie(self, tag: Tag, kind: str, identifier: str) -> None:
        known = "tag_id = ? AND resource_type = ? AND resource_id = ?"
        if not self.store.taggings.first(known, tag.id, kind, identifier):
            self.store.taggings.add(Tagging(tag_id=tag.id, resource_type=kind, resource_id=identifier))

    def _check(self, kind: str, identifier: str) -> None:
        if kind not in (*TAGGABLE, *ELSEWHERE):
            raise Unprocessable(f"{kind!r} is not a resource type that can be tagged.")
        if kind in ELSEWHERE or not TAGGABLE[kind].has(self.store, identifier):
            raise NotFound

    def _use(self, tag: Tag) -> TagUse:
        return TagUse(tag.name, self.store.taggings.find("tag_id = ?", tag.id))
