"""/v2/account/keys: a key is named by its id or its fingerprint."""

from __future__ import annotations

from typing import Any

from localcloud.api.http import NOTHING, Call, Reply, listing
from localcloud.engine.records import Key


def render(key: Key) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "fingerprint": key.fingerprint, "public_key": key.public_key}


def index(call: Call) -> Reply:
    return listing(call, "ssh_keys", call.cloud.keys.page(call.page), render)


def create(call: Call) -> Reply:
    key = call.cloud.keys.create(call.text("name") or "", call.text("public_key") or "")
    return Reply(201, {"ssh_key": render(key)})


def show(call: Call) -> Reply:
    return Reply(200, {"ssh_key": render(call.cloud.keys.get(call.params["key"]))})


def update(call: Call) -> Reply:
    key = call.cloud.keys.rename(call.params["key"], call.text("name") or "")
    return Reply(200, {"ssh_key": render(key)})


def delete(call: Call) -> Reply:
    call.cloud.keys.delete(call.params["key"])
    return NOTHING


ROUTES = [
    ("GET", "/v2/account/keys", index),
    ("POST", "/v2/account/keys", create),
    ("GET", "/v2/account/keys/{key}", show),
    ("PUT", "/v2/account/keys/{key}", update),
    ("DELETE", "/v2/account/keys/{key}", delete),
]
