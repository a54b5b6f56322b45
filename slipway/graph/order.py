"""release -> droplet: ordered by the API as a plan describes it, and adopted by the plan after that.

The provider waits 20 seconds for each droplet that it creates. One that the API is asked for is active sooner, and an
import block takes it into the state without a difference (docs/decisions/0022). A droplet that was ordered and not
adopted carries the environment's tag and is in no state: the next run removes it (`leftovers.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from slipway.clock import Clock
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph.plan import DROPLET
from slipway.retries import polled
from slipway.tools.digitalocean import API, Droplet

_ACTIVE_WITHIN = 600.0
"""Seconds that a droplet may take until it is active; the provider gives it an hour."""
_FIRST_POLL, _SLOWEST_POLL = 0.25, 3.0
_KNOWN = ("name", "region", "size", "image", "ssh_keys", "tags")
"""What a plan has to know of a droplet before it can be ordered."""


@dataclass(frozen=True)
class Order:
    """A droplet of a release, by its key; ``body`` is the request's, and holds secrets."""

    key: str
    body: Mapping[str, Any] = field(repr=False)


def of_plan(shown: Mapping[str, Any]) -> list[Order] | None:
    """The droplets that a plan would create, as requests; None when something of them is only known to an apply.

    ``shown`` is the plan as `tofu show -json` has it: https://opentofu.org/docs/internals/json-format/
    """
    told = shown["planned_values"].get("outputs", {}).get("user_data", {}).get("value") or {}
    orders = []
    for key, after in _created(shown):
        if any(after.get(name) in (None, [], "") for name in _KNOWN) or key not in told:
            return None
        orders.append(Order(key, _body(after, told[key])))
    return orders


def _created(shown: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in shown.get("resource_changes", []):
        if each["type"] == DROPLET and "create" in each["change"]["actions"]:
            yield each["index"], each["change"]["after"]


def _body(after: Mapping[str, Any], user_data: str) -> dict[str, Any]:
    """The request that the provider would make of the same values."""
    image = str(after["image"])
    return {
        "name": after["name"],
        "region": after["region"],
        "size": after["size"],
        "image": int(image) if image.isdecimal() else image,
        "ssh_keys": [int(key) if key.isdecimal() else key for key in after["ssh_keys"]],
        "tags": after["tags"],
        "user_data": user_data,
        "with_droplet_agent": after.get("droplet_agent"),
    }


def place(session: Session, orders: Sequence[Order], clock: Clock) -> dict[str, int]:
    """Create droplets at once, wait until they are active, and return their ids by release key.

    Raises PipelineError when one cannot be had; what was ordered then is removed as any stray is.
    """
    with ThreadPoolExecutor(max(len(orders), 1)) as pool:
        ids = pool.map(lambda order: _place(session, order, clock), orders)
        return dict(zip((order.key for order in orders), ids, strict=True))


def _place(session: Session, order: Order, clock: Clock) -> int:
    with session.progress.step(f"create the droplet of {order.key}"):
        droplet = session.api.create_droplet(order.body)
        _wait_until_active(session.api, order, droplet, clock)
    return droplet


def _wait_until_active(api: API, order: Order, id: int, clock: Clock) -> None:
    def is_active() -> bool:
        found = api.droplet(id)
        if found is None:  # one whose creation failed is removed by the cloud
            raise PipelineError(f"The droplet of {order.key} was not created: the cloud has no droplet {id} any more.")
        if not (ready := _is_ready(found)) and (failed := api.failed_actions(id)):
            raise PipelineError(f"The droplet of {order.key} was not created: action {failed[0][0]} failed.")
        return ready

    if not polled(is_active, _ACTIVE_WITHIN, _FIRST_POLL, clock, slowest=_SLOWEST_POLL):
        raise PipelineError(f"The droplet of {order.key} was not active within {_ACTIVE_WITHIN:.0f} s.")


def _is_ready(droplet: Droplet | None) -> bool:
    return droplet is not None and droplet.status == "active" and bool(droplet.address)
