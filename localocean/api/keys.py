"""/v2/account/keys: a key is named by its id or its fingerprint."""

from __future__ import annotations

from typing import Any

from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.api.schemas import TEXT, some, thing, with_all
from localocean.store.records import Key


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


NAMED = with_all(some(name=TEXT), "name")
ROUTES = [
    Row("GET", "/v2/account/keys", index, listed("List SSH keys", "ssh_keys", "ssh_key")),
    Row(
        "POST",
        "/v2/account/keys",
        create,
        made("Register an SSH key", "ssh_key", "ssh_key", thing(name=TEXT, public_key=TEXT)),
    ),
    Row("GET", "/v2/account/keys/{key}", show, shown("Show an SSH key, by id or fingerprint", "ssh_key")),
    Row("PUT", "/v2/account/keys/{key}", update, made("Rename an SSH key", "ssh_key", "ssh_key", NAMED, 200)),
    Row("DELETE", "/v2/account/keys/{key}", delete, gone("Forget an SSH key")),
]
