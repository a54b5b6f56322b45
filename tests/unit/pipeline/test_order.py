"""Which droplets a plan describes, as requests to the API."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import order

AFTER: dict[str, Any] = {
    "name": "app-local-v1-a",
    "region": "fra1",
    "size": "s-1vcpu-1gb",
    "image": "1234",
    "ssh_keys": ["42"],
    "tags": ["slipway"],
    "droplet_agent": False,
    "user_data": "a digest",
}


def plan(after: dict[str, Any], actions: tuple[str, ...] = ("create",), said: str | None = "#cloud-config") -> Any:
    change = {"actions": list(actions), "after": after}
    told = {"user_data": {"value": {"v1-a": said}}} if said else {"user_data": {"sensitive": True}}
    resource = {"type": "digitalocean_droplet", "index": "v1-a", "change": change}
    return {"planned_values": {"outputs": told}, "resource_changes": [resource, {**resource, "type": "terraform_data"}]}


def test_an_order_says_what_the_provider_would_say() -> None:
    (found,) = order.of_plan(plan(AFTER)) or []
    assert found.key == "v1-a"
    assert found.body == {
        "name": "app-local-v1-a",
        "region": "fra1",
        "size": "s-1vcpu-1gb",
        "image": 1234,
        "ssh_keys": [42],
        "tags": ["slipway"],
        "user_data": "#cloud-config",
        "with_droplet_agent": False,
    }
    assert "#cloud-config" not in repr(found)


def test_an_image_may_be_a_slug_and_a_key_its_fingerprint() -> None:
    (found,) = order.of_plan(plan({**AFTER, "image": "debian-12-x64", "ssh_keys": ["aa:bb"]})) or []
    assert (found.body["image"], found.body["ssh_keys"]) == ("debian-12-x64", ["aa:bb"])


def test_what_stands_is_not_ordered() -> None:
    assert order.of_plan(plan(AFTER, ("no-op",))) == []
    assert [each.key for each in order.of_plan(plan(AFTER, ("create", "delete"))) or []] == ["v1-a"]


@pytest.mark.parametrize("name", ["image", "ssh_keys", "name"])
def test_what_only_an_apply_will_know_cannot_be_ordered(name: str) -> None:
    assert order.of_plan(plan({key: value for key, value in AFTER.items() if key != name})) is None
    assert order.of_plan(plan(AFTER, said=None)) is None
