"""Terraform's events told as the release's steps. The shape of the events is Terraform's machine-readable UI."""

from __future__ import annotations

from slipway.progress import Progress
from slipway.tools.terraform.engine import Event
from slipway.traffic.edge import MOVE

_STEPS = {
    ("digitalocean_floating_ip", "create"): "reserve the floating IP",
    ("digitalocean_database_cluster", "create"): "create the database cluster",
    ("digitalocean_database_cluster", "update"): "change the database cluster",
    ("digitalocean_database_cluster", "delete"): "remove the database cluster with its data",
    ("digitalocean_database_user", "create"): "create the database user {key}",
    ("digitalocean_database_user", "delete"): "remove the database user {key}",
    ("terraform_data.migration", "create"): "migrate the schema for {key}",
    ("digitalocean_droplet", "create"): "create the droplet of {key}",
    ("terraform_data.gate", "create"): "verify {key} before any traffic",
    ("digitalocean_floating_ip_assignment", "create"): MOVE,
    ("terraform_data.confirmation", "create"): "confirm through the floating IP",
    ("digitalocean_droplet", "delete"): "remove the droplet of {key}",
    ("digitalocean_floating_ip", "delete"): "give the floating IP back",
}


class Narrator:
    """Called with each event of an apply."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, event: Event) -> None:
        """Say the event, if it is one that a person waits for."""
        hook = event.get("hook")
        if not isinstance(hook, dict) or (step := _step(hook)) is None:
            return
        match event["type"]:
            case "apply_start":
                self._progress.began(step)
            case "apply_progress":
                self._progress.detail(f"{step}: {hook['elapsed_seconds']} s so far")
            case "apply_complete":
                self._progress.ended(step, hook["elapsed_seconds"])
            case "apply_errored":
                self._progress.ended(step, hook["elapsed_seconds"], ok=False)


def _step(hook: Event) -> str | None:
    resource, action = hook.get("resource"), hook.get("action")
    if not isinstance(resource, dict):
        return None
    kind = resource["resource_type"]
    name = f"{kind}.{resource['resource_name']}"
    text = _STEPS.get((name, str(action))) or _STEPS.get((kind, str(action)))
    return text.format(key=resource.get("resource_key")) if text else None
