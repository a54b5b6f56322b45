"""Records come back from the database as they went in; addresses and fingerprints are what they should be."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from localocean.engine.addresses import choose
from localocean.engine.errors import Unprocessable
from localocean.engine.keys import fingerprint
from localocean.host.errors import HostError
from localocean.store.records import Action, Droplet, Image, Page, Tag, now
from localocean.store.store import Store

ADDRESSES = [IPv4Address(f"10.0.0.{n}") for n in range(4)]


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


def test_an_address_is_not_given_out_twice_nor_again_at_once() -> None:
    assert choose(iter(ADDRESSES), [], 0) == "10.0.0.0"
    assert choose(iter(ADDRESSES), [], 1) == "10.0.0.1"
    assert choose(iter(ADDRESSES), ["10.0.0.3"], 3) == "10.0.0.0"
    with pytest.raises(Unprocessable):
        choose(iter(ADDRESSES), map(str, ADDRESSES), 2)


def test_a_fingerprint_is_the_md5_of_the_key() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6MwVhGQUsPcQzUjJHVyD4mXzuhcGGCRLYpxQ0zFwFd me@example"
    assert fingerprint(key) == "9b:f0:c4:33:21:83:f0:ac:3a:11:4d:12:f3:4d:57:35"


def test_times_are_whole_seconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now())
