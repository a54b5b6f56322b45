"""/v2/account/keys: a key is named by its id or its fingerprint."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Named
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.store.records import Key


def render(key: Key) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "fingerprint": key.fingerprint, "public_key": key.public_key}


def index(call: Call) -> Reply:
    return listing(call, "ssh_keys", call.cloud.keys.page(call.page), render)


class KeyOrder(Named):
    NEEDED = ("name", "public_key")
    public_key: str = ""


def create(call: Call, body: KeyOrder) -> Reply:
    key = call.cloud.keys.create(body.name, body.public_key)
    return Reply(201, {"ssh_key": render(key)})


def show(call: Call) -> Reply:
    return Reply(200, {"ssh_key": render(call.cloud.keys.get(call.params["key"]))})


def update(call: Call, body: Named) -> Reply:
    key = call.cloud.keys.rename(call.params["key"], body.name)
    return Reply(200, {"ssh_key": render(key)})


def delete(call: Call) -> Reply:
    call.cloud.keys.delete(call.params["key"])
    return NOTHING


ROUTES = [
    Row("GET", "/v2/account/keys", index, listed("List SSH keys", "ssh_keys", "ssh_key")),
    Row(
        "POST",
        "/v2/account/keys",
        create,
        made("Register an SSH key", "ssh_key", "ssh_key"),
    ),
    Row("GET", "/v2/account/keys/{key}", show, shown("Show an SSH key, by id or fingerprint", "ssh_key")),
    Row("PUT", "/v2/account/keys/{key}", update, made("Rename an SSH key", "ssh_key", "ssh_key", 200)),
    Row("DELETE", "/v2/account/keys/{key}", delete, gone("Forget an SSH key")),
]
