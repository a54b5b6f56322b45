"""What git says, what Terraform's state says and what the world says, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import reference
from pipeline.config import Settings
from pipeline.reference import Reference
from pipeline.session import Session
from pipeline.tools.digitalocean import Droplet


@dataclass(frozen=True)
class Running:
    """A release that has a droplet."""

    version: str
    release: str
    image: str
    droplet_id: int


@dataclass(frozen=True)
class Status:
    """One environment now. ``problems`` are disagreements between git, state and world; ``warnings`` are not."""

    environment: str
    cloud: str
    url: str | None
    floating_ip: str | None
    live: Running | None
    standby: Running | None
    problems: Sequence[str]
    warnings: Sequence[str]

    @property
    def in_sync(self) -> bool:
        """Whether what git says is what runs."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "in_sync": self.in_sync}


def status(session: Session) -> Status:
    """Ask git, the state and the cloud. Raises PipelineError when one of them cannot answer."""
    settings = session.settings
    wanted = reference.read(settings.reference_path)
    outputs = session.outputs()
    address: str | None = outputs.get("floating_ip")
    target = session.api.floating_ip_target(address) if address else None
    droplets = {d.id: d for d in session.api.droplets(environment_tag(settings))}
    keys = {droplet["id"]: key for key, droplet in (outputs.get("droplets") or {}).items()}
    live = _running(wanted, keys.get(target), target)
    standby_id = next((id for id, key in keys.items() if key == wanted.standby and id in droplets), None)
    name = str(settings.reference_path.relative_to(settings.project.root))
    return Status(
        environment=settings.environment,
        cloud=settings.cloud.name,
        url=_url(wanted, address) if live else None,
        floating_ip=address,
        live=live,
        standby=_running(wanted, wanted.standby, standby_id),
        problems=[*_problems(wanted, outputs, target, keys, droplets)],
        warnings=[f"{name} is not committed"] if session.git.changed([name]) else [],
    )


def environment_tag(settings: Settings) -> str:
    """The tag of the environment's droplets."""
    return f"slipway-environment:{settings.environment}"


def _url(wanted: Reference, address: str | None) -> str:
    port = wanted.releases[wanted.live].config.get("PORT", "80") if wanted.live else "80"
    return f"http://{address}/" if port == "80" else f"http://{address}:{port}/"


def _running(wanted: Reference, key: str | None, droplet_id: int | None) -> Running | None:
    if droplet_id is None:
        return None
    release = wanted.releases.get(key or "")
    if release is None:
        return Running("unknown", key or "unknown", "unknown", droplet_id)
    return Running(release.version, release.key, release.image, droplet_id)


def _problems(
    wanted: Reference,
    outputs: Mapping[str, Any],
    target: int | None,
    keys: Mapping[int, str],
    droplets: Mapping[int, Droplet],
) -> list[str]:
    confirmed = Reference.from_state(outputs.get("reference"))
    found = []
    if wanted != confirmed:
        found.append(f"git says {wanted.live} is live, and the last one confirmed is {confirmed.live}")
    if keys.get(target or 0) != wanted.live:
        found.append(f"the floating IP points at {_name(target, keys, droplets)}, and git says {wanted.live}")
    for droplet_id, key in keys.items():
        droplet = droplets.get(droplet_id)
        if droplet is None or droplet.status != "active":
            found.append(f"the droplet of {key} is {droplet.status if droplet else 'gone'}")
    for droplet_id in droplets.keys() - keys.keys():
        found.append(f"droplet {droplets[droplet_id].name} is in no state")
    return found


def _name(target: int | None, keys: Mapping[int, str], droplets: Mapping[int, Droplet]) -> str:
    if target is None:
        return "nothing"
    return keys.get(target) or (droplets[target].name if target in droplets else f"droplet {target}")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def render(status: Status) -> str:
    """The status as a person reads it."""
    rows = [("environment", f"{status.environment} on {status.cloud}"), ("url", status.url or "-")]
    for name, running in (("live", status.live), ("standby", status.standby)):
        rows.append((name, f"{running.release} · {running.image} · droplet {running.droplet_id}" if running else "-"))
    rows.append(("in sync", "yes" if status.in_sync else "no"))
    notes = [
        *(f"✗ {problem}" for problem in status.problems),
        *(f"! {warning}" for warning in status.warnings),
    ]
    return "\n".join([table(rows), *notes])
