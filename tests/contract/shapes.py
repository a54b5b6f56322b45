"""DigitalOcean's own description of its answers, in small: what a value can be, where that is not any text or number.

Each answer that a contract test hears is held against it. What is not named here may be absent; what is there must fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

Rule = Callable[[object], bool]


def one_of(*choices: str) -> Rule:
    return lambda value: value in choices


def like(pattern: str) -> Rule:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def or_null(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def address(value: object) -> bool:
    try:
        return bool(ip_address(str(value)))
    except ValueError:
        return False


def text(value: object) -> bool:
    return isinstance(value, str)


def truth(value: object) -> bool:
    return isinstance(value, bool)


UUID = like(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SHAPES: Mapping[str, Mapping[str, Rule]] = {
    "account": {
        "droplet_limit": number,
        "email_verified": truth,
        "status": one_of("active", "warning", "locked"),
        "status_message": text,
    },
    "action": {
        "id": number,
        "status": one_of("in-progress", "completed", "errored"),
        "started_at": TIME,
        "completed_at": or_null(TIME),
        "resource_id": or_null(number),
        "resource_type": text,
        "region_slug": or_null(text),
    },
    "database": {
        "id": UUID,
        "engine": one_of("pg"),
        "status": one_of("creating", "online", "resizing", "migrating", "forking"),
        "created_at": TIME,
        "num_nodes": number,
        "private_network_uuid": UUID,
        "project_id": UUID,
        "tags": or_null(words),
        "db_names": or_null(words),
        "storage_size_mib": number,
    },
    "droplet": {
        "id": number,
        "status": one_of("new", "active", "off", "archive"),
        "created_at": TIME,
        "locked": truth,
        "features": words,
        "volume_ids": words,
        "tags": words,
        "vpc_uuid": UUID,
    },
    "floating_ip": {"ip": address, "locked": truth, "project_id": UUID},
    "image": {
        "id": number,
        "type": one_of("base", "snapshot", "backup", "custom", "admin"),
        "status": one_of("NEW", "available", "pending", "deleted", "retired"),
        "regions": words,
        "created_at": TIME,
        "slug": or_null(text),
        "public": truth,
        "min_disk_size": or_null(number),
        "size_gigabytes": number,
        "description": text,
        "error_message": text,
        "tags": or_null(words),
    },
    "project": {
        "id": UUID,
        "owner_uuid": text,
        "owner_id": number,
        "environment": one_of("Development", "Staging", "Production"),
        "is_default": truth,
        "created_at": TIME,
        "updated_at": TIME,
    },
    "region": {"features": words, "sizes": words, "available": truth},
    "replica": {
        "id": UUID,
        "status": one_of("creating", "online", "resizing", "migrating", "forking"),
        "created_at": TIME,
        "tags": words,
        "storage_size_mib": number,
    },
    "reserved_ip": {"ip": address, "locked": truth, "project_id": UUID},
    "resource": {
        "urn": like(r"do:(dbaas|domain|droplet|floatingip|loadbalancer|space|volume|kubernetes|vpc):.+"),
        "assigned_at": TIME,
        "status": text,
    },
    "rule": {"uuid": UUID, "cluster_uuid": UUID, "type": one_of("ip_addr", "droplet", "tag"), "created_at": TIME},
    "size": {"available": truth, "price_monthly": number, "regions": words},
    "snapshot": {
        "resource_type": one_of("droplet", "volume"),
        "created_at": TIME,
        "regions": words,
        "min_disk_size": number,
        "size_gigabytes": number,
        "tags": or_null(words),
    },
    "ssh_key": {"id": number, "fingerprint": text, "public_key": text},
    "user": {"role": one_of("primary", "normal")},
    "vpc": {"id": UUID, "urn": like(r"do:vpc:.+"), "default": truth, "created_at": TIME},
}
ERROR: Mapping[str, Rule] = {"id": text, "message": text, "request_id": text}
# What belongs to a droplet, and what became of it, is told by texts alone.
ASSOCIATED = "/destroy_with_associated_resources"
# Lists of a droplet's whose items are images, although they are called otherwise.
IMAGES = re.compile(r"/v2/droplets/\d+/(snapshots|backups)")


def differences(path: str, status: int, body: object) -> list[str]:
    """What of an answer is not as DigitalOcean describes it."""
    if not path.startswith("/v2/") or not isinstance(body, Mapping):
        return []
    if status >= 400:
        return list(_held("error", ERROR, body, required=True))
    if ASSOCIATED in path:
        told = {**body, **body.get("droplet", {})}
        return [f"{name} is null" for name, value in told.items() if value is None]
    if IMAGES.match(path):
        body = {"images": next((value for value in body.values() if isinstance(value, list)), [])}
    return [each for key, value in body.items() for each in _found(key, value)]


def _found(key: str, value: object) -> Iterator[str]:
    singular = key if key in SHAPES else key.removesuffix("s")
    shape = SHAPES.get(singular)
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            yield from _held(singular, shape or {}, item)
            for name, inner in item.items():
                if name in SHAPES or name.removesuffix("s") in SHAPES:
                    yield from _found(name, inner)


def _held(kind: str, shape: Mapping[str, Rule], item: Mapping[str, Any], required: bool = False) -> Iterator[str]:
    for name, rule in shape.items():
        if (required or name in item) and not rule(item.get(name)):
            yield f"{kind}.{name} is {item.get(name)!r}"
