"""SSH keys of the account, and tags."""

from __future__ import annotations

import base64

import pytest

from tests.contract.support import Api

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6MwVhGQUsPcQzUjJHVyD4mXzuhcGGCRLYpxQ0zFwFd me@example"


@pytest.fixture(autouse=True)
def _clean(clean: None) -> None:
    """Each test begins with nothing."""


def test_a_key_is_named_by_id_and_by_fingerprint(api: Api) -> None:
    key = api.call("POST", "/v2/account/keys", {"name": "one", "public_key": KEY}, status=201)["ssh_key"]
    assert key["public_key"] == KEY
    assert len(key["fingerprint"]) == 47
    for name in (key["id"], key["fingerprint"]):
        assert api.get(f"/v2/account/keys/{name}")["ssh_key"] == key
    renamed = api.call("PUT", f"/v2/account/keys/{key['id']}", {"name": "two"}, status=200)["ssh_key"]
    assert renamed == key | {"name": "two"}
    api.call("DELETE", f"/v2/account/keys/{key['fingerprint']}", {}, status=204)
    api.call("DELETE", f"/v2/account/keys/{key['id']}", {}, status=404)


def test_a_key_is_there_once(api: Api) -> None:
    api.call("POST", "/v2/account/keys", {"name": "one", "public_key": KEY}, status=201)
    error = api.call("POST", "/v2/account/keys", {"name": "two", "public_key": KEY}, status=422)
    assert error["message"] == "SSH Key is already in use on your account"


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "ssh-rsa !!!!", "ssh-rsa AAAA", None, 5),
        *("ssh-rsa AAAAB3NzaC1yc2E=", KEY[:52], f"{KEY}\n{KEY}", KEY.replace(" AAAA", "\nAAAA")),
    ],
)
def test_what_is_no_key_is_refused(api: Api, text: object) -> None:
    api.call("POST", "/v2/account/keys", {"name": "bad", "public_key": text}, status=422)


def of_type(name: str, parts: int) -> str:
    """A key of a type, with parts that mean nothing."""
    fields = [name.encode(), *[b"x" * 32] * parts]
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return f"{name} {base64.b64encode(blob).decode()} me@example"


def test_keys_of_the_types_that_servers_take(api: Api) -> None:
    for name, parts in (("ssh-rsa", 2), ("ecdsa-sha2-nistp256", 2), ("sk-ssh-ed25519@openssh.com", 2)):
        api.call("POST", "/v2/account/keys", {"name": name, "public_key": of_type(name, parts)}, status=201)
        short = {"name": name, "public_key": of_type(name, parts - 1)}
        assert "Key invalid" in api.call("POST", "/v2/account/keys", short, status=422)["message"]


def test_a_key_of_an_unknown_type_is_refused_by_its_type(api: Api) -> None:
    body = {"name": "bad", "public_key": of_type("ssh-ed448", 1)}
    message = api.call("POST", "/v2/account/keys", body, status=422)["message"]
    assert "'ssh-ed448'" in message and "ssh-ed25519" in message


def test_a_tag_counts_every_kind_of_resource(api: Api) -> None:
    tag = api.call("POST", "/v2/tags", {"name": "Web:1"}, status=201)["tag"]
    kinds = ("droplets", "images", "volumes", "volume_snapshots", "databases")
    assert tag["resources"] == {"count": 0} | {kind: {"count": 0} for kind in kinds}


def test_a_tag_tells_what_carries_it_since_last(api: Api) -> None:
    image = api.get("/v2/images/debian-12-x64")["image"]["id"]
    api.call("POST", "/v2/tags", {"name": "t"}, status=201)
    body = {"resources": [{"resource_id": str(image), "resource_type": "image"}]}
    api.call("POST", "/v2/tags/t/resources", body, status=204)
    used = api.get("/v2/tags/t")["tag"]["resources"]
    one = {"count": 1, "last_tagged_uri": f"{api.endpoint}/v2/images/{image}"}
    assert used["images"] == one == {name: used[name] for name in one}


def test_creating_a_tag_again_keeps_its_first_capitals(api: Api) -> None:
    api.call("POST", "/v2/tags", {"name": "Web"}, status=201)
    assert api.call("POST", "/v2/tags", {"name": "web"}, status=201)["tag"]["name"] == "Web"
    assert api.get("/v2/tags")["meta"]["total"] == 1
    api.call("GET", "/v2/tags/web", status=404)
    api.call("POST", "/v2/tags/web/resources", {"resources": []}, status=404)


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, "é", "a/b"])
def test_a_bad_tag_name_is_refused(api: Api, name: str) -> None:
    api.call("POST", "/v2/tags", {"name": name}, status=422)


def test_tagging_with_an_unknown_tag_is_404(api: Api) -> None:
    body = {"resources": [{"resource_id": "136387842", "resource_type": "image"}]}
    api.call("POST", "/v2/tags/none/resources", body, status=404)
    api.call("POST", "/v2/tags", {"name": "none"}, status=201)
    api.call("POST", "/v2/tags/none/resources", body, status=204)
    assert api.get("/v2/tags/none")["tag"]["resources"]["images"]["count"] == 1
    assert api.get("/v2/images?tag_name=none")["meta"]["total"] == 1
    api.call("DELETE", "/v2/tags/none/resources", body, status=204)
    assert api.get("/v2/tags/none")["tag"]["resources"]["count"] == 0


def test_tagging_what_is_not_there_is_404(api: Api) -> None:
    api.call("POST", "/v2/tags", {"name": "t"}, status=201)
    body = {"resources": [{"resource_id": "99999", "resource_type": "droplet"}]}
    api.call("POST", "/v2/tags/t/resources", body, status=404)
