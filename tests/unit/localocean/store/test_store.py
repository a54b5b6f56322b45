"""Records come back from the database as they went in."""

from __future__ import annotations

from pathlib import Path

import pytest

from localocean.host.errors import HostError
from localocean.store.records import Action, Droplet, Image, Page, Tag
from localocean.store.store import Store


def test_what_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"something else" * 100)
    with pytest.raises(HostError, match="The records in .* cannot be read: file is not a database"):
        Store(tmp_path / "db")


def test_records_are_kept_exactly(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    droplet = store.droplets.add(Droplet(name="a", layers=("x", "y"), public_keys=("k é",), monitoring=True))
    image = store.images.add(Image(name="i", slug=None, deleted=True))
    action = store.actions.add(Action(type="t", args={"name": "ü", "n": 1}))
    store.close()
    again = Store(tmp_path / "db")
    assert again.droplets.get(droplet.id) == droplet
    assert again.images.get(image.id) == image
    assert again.actions.get(action.id) == action
    again.close()


def test_the_records_of_an_earlier_version_get_what_they_lack(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    kept = store.images.add(Image(name="i"))
    for column in ("regions", "status", "deleted"):
        store.database.execute(f"ALTER TABLE images DROP COLUMN {column}")
    store.close()
    again = Store(tmp_path / "db")
    assert again.images.get(kept.id) == kept
    again.close()


def test_a_failed_transaction_changes_nothing_and_ids_are_not_reused(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with pytest.raises(RuntimeError), store.transaction():
        store.tags.add(Tag(name="a"))
        with store.transaction():
            store.tags.add(Tag(name="b"))
        raise RuntimeError
    assert store.tags.count() == 0
    first = store.tags.add(Tag(name="a"))
    store.tags.delete("id = ?", first.id)
    assert store.tags.add(Tag(name="a")).id > first.id
    store.close()


def test_pages(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    for number in range(5):
        store.tags.add(Tag(name=str(number)))
    page = store.tags.page(Page(2, 2))
    assert ([tag.name for tag in page.items], page.total) == (["2", "3"], 5)
    assert [tag.name for tag in store.tags.page(Page(1, 2), newest=True).items] == ["4", "3"]
    store.close()
