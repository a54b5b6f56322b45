"""The backups of droplets: their policies, and the lists of them."""

from __future__ import annotations

from typing import Any

from localocean.api import images
from localocean.api.http import Call, Reply, listing
from localocean.api.operations import PAGE, Operation, Row, listed
from localocean.api.schemas import ANYTHING, many, object_of, optional_object, with_all
from localocean.engine import backups
from localocean.store.records import BACKUP, Droplet


def render(droplet: Droplet) -> dict[str, Any]:
    if not droplet.backups:
        return {"droplet_id": droplet.id, "backup_enabled": False}
    return {
        "droplet_id": droplet.id,
        "backup_enabled": True,
        "backup_policy": backups.describe(droplet.backup_policy),
        "next_backup_window": backups.next_window(droplet.backup_policy),
    }


def index(call: Call) -> Reply:
    droplet = call.cloud.droplets.record(call.number("droplet"))
    return listing(call, "backups", call.cloud.images.of_droplet(droplet.id, call.page, BACKUP), images.render)


def policy(call: Call) -> Reply:
    return Reply(200, {"policy": render(call.cloud.droplets.record(call.number("droplet")))})


def policies(call: Call) -> Reply:
    """By droplet, those without backups too."""
    found = listing(call, "policies", call.cloud.droplets.records(call.page), render).body or {}
    by_droplet = {str(policy["droplet_id"]): policy for policy in found["policies"]}
    return Reply(200, {**found, "policies": by_droplet})


def supported(call: Call) -> Reply:
    plans = [
        {
            "name": plan,
            "possible_window_starts": list(backups.HOURS),
            "window_length_hours": backups.WINDOW_HOURS,
            "retention_period_days": days,
            "possible_days": list(backups.DAYS) if plan == backups.WEEKLY else [],
        }
        for plan, days in backups.RETENTION_DAYS.items()
    ]
    return Reply(200, {"supported_policies": plans})


ROUTES = [
    Row(
        "GET",
        "/v2/droplets/backups/policies",
        policies,
        Operation(
            "Show when backups are due, by droplet",
            answer=with_all(optional_object(policies=ANYTHING), "policies"),
            query=PAGE,
        ),
    ),
    Row(
        "GET",
        "/v2/droplets/backups/supported_policies",
        supported,
        Operation("List what a backup policy can be", answer=object_of(supported_policies=many(ANYTHING))),
    ),
    Row("GET", "/v2/droplets/{droplet}/backups", index, listed("List a droplet's backups", "backups", "image")),
    Row(
        "GET",
        "/v2/droplets/{droplet}/backups/policy",
        policy,
        Operation("Show when a droplet's backups are due", answer=object_of(policy=ANYTHING)),
    ),
]
