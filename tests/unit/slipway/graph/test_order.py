"""Which droplets a plan describes, as requests to the API."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.errors import PipelineError
from slipway.graph import order
from slipway.progress import Progress
from slipway.tools.digitalocean import Droplet

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


class Cloud:
    """Droplets that become what is said, look by look; time passes by the sleeping alone."""

    def __init__(self, *looks: str | None, failed: bool = False) -> None:
        self.looks, self.failed, self.time = list(looks), failed, 0.0
        self.api, self.progress = self, Progress()

    def create_droplet(self, body: Any) -> int:
        return 7

    def droplet(self, id: int) -> Droplet | None:
        status = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return status and Droplet(id, "app", status, "192.0.2.1" if status == "active" else "")  # type: ignore[return-value]

    def failed_actions(self, id: int) -> list[tuple[int, str]]:
        return [(99, "create")] if self.failed else []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def place(self) -> dict[str, int]:
        return order.place(self, [order.Order("v1-a", {})], self)  # type: ignore[arg-type]


def test_a_droplet_is_waited_for_until_it_is_active() -> None:
    cloud = Cloud("new", "new", "active")
    assert cloud.place() == {"v1-a": 7}
    assert 0 < cloud.time < 2


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        (Cloud("new", None), "the cloud has no droplet 7 any more"),
        (Cloud("new", failed=True), "action 99 failed"),
        (Cloud("new"), "not active within 600 s"),
    ],
)
def test_a_droplet_that_does_not_come_is_a_failure_with_its_reason(cloud: Cloud, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        cloud.place()
