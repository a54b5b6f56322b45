"""What the cloud remembers: one frozen record per resource. Times are UTC texts in whole seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

NEW, ACTIVE, OFF = "new", "active", "off"
IN_PROGRESS, COMPLETED, ERRORED = "in-progress", "completed", "errored"
AVAILABLE, PENDING, IMPORTING = "available", "pending", "import"
DROPLET, FLOATING_IP, IMAGE, DATABASE = "droplet", "floating_ip", "image", "database"
SNAPSHOT, BACKUP = "snapshot", "backup"
CREATING, ONLINE, RESIZING, MIGRATING = "creating", "online", "resizing", "migrating"
PRIMARY, REPLICA, NORMAL = "primary", "replica", "normal"

T = TypeVar("T")


def now() -> str:
    """The time as DigitalOcean writes it; whole seconds, because clients compare times for equality."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Droplet:
    """A machine that is wanted: `layers` are its image's, topmost first, above the base image `base`.

    Its `disk` in GiB is that of its size, or of an earlier size that it was resized from without the disk.
    """

    id: int = 0
    name: str = ""
    status: str = NEW
    region: str = ""
    size: str = ""
    image_id: int = 0
    base: str = ""
    base_path: str = ""
    layers: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    user_data: str = ""
    monitoring: bool = False
    public_address: str = ""
    private_address: str = ""
    vpc: str = ""
    hostname: str = ""
    disk: int = 0
    ipv6: bool = False
    backups: bool = False
    backup_policy: dict[str, Any] = field(default_factory=dict)
    root_password: str = ""
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Image:
    """A base image (with a slug), or a private one. A deleted one stays as a memory of its droplets.

    `regions` are those that it was transferred to beside `region`; a base image, which has neither, is everywhere.
    """

    id: int = 0
    name: str = ""
    slug: str | None = None
    type: str = "snapshot"
    status: str = "available"
    error: str = ""
    distribution: str = ""
    description: str = ""
    region: str = ""
    regions: tuple[str, ...] = ()
    base: str = ""
    base_path: str = ""
    layers: tuple[str, ...] = ()
    droplet_id: int = 0
    min_disk_size: int = 0
    size_bytes: int = 0
    deleted: bool = False
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Action:
    """Something being done to a resource; `args` suffice to do it again after a crash."""

    id: int = 0
    type: str = ""
    status: str = IN_PROGRESS
    resource_type: str = DROPLET
    resource_id: int = 0
    region: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    started_at: str = field(default_factory=now)
    completed_at: str | None = None


@dataclass(frozen=True)
class Key:
    """An SSH key of the account; the fingerprint is the MD5 one."""

    id: int = 0
    name: str = ""
    fingerprint: str = ""
    public_key: str = ""


@dataclass(frozen=True)
class FloatingIP:
    """An address that can point at one droplet."""

    id: int = 0
    address: str = ""
    region: str = ""
    droplet_id: int | None = None
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Tag:
    """A label; its first capitalisation is the canonical one."""

    id: int = 0
    name: str = ""


@dataclass(frozen=True)
class Tagging:
    """One resource that carries one tag."""

    id: int = 0
    tag_id: int = 0
    resource_type: str = ""
    resource_id: str = ""


@dataclass(frozen=True)
class Vpc:
    """A private network of one region; `number` names its bridge, and 0 is the cloud's first."""

    id: int = 0
    uuid: str = ""
    number: int = 0
    name: str = ""
    description: str = ""
    region: str = ""
    ip_range: str = ""
    is_default: bool = False
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Project:
    """A drawer for resources; whatever is in none of the others is in the default one."""

    id: int = 0
    uuid: str = ""
    name: str = ""
    description: str = ""
    purpose: str = ""
    environment: str = ""
    is_default: bool = False
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Membership:
    """One resource, by its URN, in a project that is not the default one."""

    id: int = 0
    project: str = ""
    urn: str = ""
    assigned_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Layer:
    """A snapshot's files on disk; it exists as a record from before the first byte is copied."""

    id: int = 0
    name: str = ""


@dataclass(frozen=True)
class DatabaseCluster:
    """A managed PostgreSQL. One that could not be made stays as the memory of why; one to be deleted is `doomed`."""

    id: int = 0
    uuid: str = ""
    name: str = ""
    version: str = ""
    status: str = CREATING
    size: str = ""
    region: str = ""
    vpc: str = ""
    storage_mib: int = 0
    maintenance_day: str = ""
    maintenance_hour: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    autoscale: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    doomed: bool = False
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class DatabaseNode:
    """One machine of a cluster: its primary, or a replica, which has a name and a uuid of its own."""

    id: int = 0
    cluster: int = 0
    uuid: str = ""
    name: str = ""
    role: str = PRIMARY
    status: str = CREATING
    size: str = ""
    region: str = ""
    vpc: str = ""
    storage_mib: int = 0
    public_address: str = ""
    private_address: str = ""
    base_path: str = ""
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class DatabaseUser:
    """Somebody who may log in to a cluster; `doadmin` has the role `primary`, all others are `normal`."""

    id: int = 0
    cluster: int = 0
    name: str = ""
    role: str = NORMAL
    password: str = ""
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class DatabaseName:
    """One of the databases in a cluster."""

    id: int = 0
    cluster: int = 0
    name: str = ""


@dataclass(frozen=True)
class DatabaseRule:
    """A trusted source of a cluster: an address or range, or the droplets that an id or a tag names."""

    id: int = 0
    cluster: int = 0
    uuid: str = ""
    type: str = ""
    value: str = ""
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class DatabasePool:
    """Connections that PgBouncer keeps to a database of a cluster; without a user, as whoever comes in."""

    id: int = 0
    cluster: int = 0
    name: str = ""
    database: str = ""
    user: str = ""
    mode: str = ""
    size: int = 0


@dataclass(frozen=True)
class DatabaseReader:
    """Who may read the metrics of all clusters; there is one."""

    id: int = 0
    username: str = ""
    password: str = ""


@dataclass(frozen=True)
class DatabaseBackup:
    """A copy of a whole cluster, which may be gone; what was committed before `created_at` is in it."""

    id: int = 0
    uuid: str = ""
    cluster_uuid: str = ""
    cluster_name: str = ""
    size_bytes: int = 0
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted; `number` counts from 1."""

    number: int = 1
    size: int = 20

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


@dataclass(frozen=True)
class Listing(Generic[T]):
    """One page of a list, and how many there are in all."""

    items: Sequence[T]
    total: int
