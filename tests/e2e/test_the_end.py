"""The last of an environment: the app goes, and its data stays until it is asked for."""

from __future__ import annotations

import json

import pytest

from tests.e2e.checkout import REFERENCE, Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.host]


def test_the_data_does_not_go_with_the_app(checkout: Checkout) -> None:
    if checkout.status()["live"] is None:
        checkout.invoke("build", "deploy", "--version", "end")
    checkout.invoke("destroy", "--yes")
    now = checkout.status()
    assert (now["live"], now["database"]["status"]) == (None, "online")
    assert "app" in checkout.databases()


def test_the_data_goes_when_it_is_asked_for(checkout: Checkout) -> None:
    # Without a live droplet there is no way to a backup, and nothing may go without one.
    assert "Nothing was removed, because there is no backup" in checkout.refused("destroy", "--yes", "--with-database")
    assert checkout.status()["database"]["status"] == "online"
    checkout.invoke("destroy", "--yes", "--with-database", "--no-backup")
    assert checkout.status()["database"] is None
    assert json.loads((checkout.folder / REFERENCE).read_text())["live"] is None
