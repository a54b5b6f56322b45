"""Bakes that are killed, that fail and that hang, with the real Packer: nothing is left, and nothing else goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway.environment.keys import new_key
from slipway.names import BUILD
from tests.contract.support import Api
from tests.e2e.checkout import NAMES, Checkout
from tests.support import until

pytestmark = [pytest.mark.e2e, pytest.mark.host]


@pytest.fixture(scope="module")
def api(checkout: Checkout) -> Api:
    checkout.invoke("cloud.up")
    return checkout.api()


@pytest.fixture(scope="module", autouse=True)
def bystanders(checkout: Checkout, api: Api) -> Iterator[None]:
    """What others have in the same account: it is there afterwards as it was before."""
    droplet = api.droplet(name="somebody-elses", tags=[BUILD, "web"])
    api.act(droplet["id"], "snapshot", name="backup-1")
    key = {"name": "laptop", "public_key": new_key().public}
    api.call("POST", "/v2/account/keys", key, status=201)
    before = everything(api)
    yield
    assert everything(api) == before
    for image in api.get("/v2/images?private=true")["images"]:
        api.call("DELETE", f"/v2/images/{image['id']}", status=204)
    api.delete_droplet(droplet["id"])


@pytest.fixture(autouse=True)
def no_faults(api: Api) -> Iterator[None]:
    yield
    api.clear()


def everything(api: Api) -> dict[str, set[str]]:
    lists = {"droplets": "droplets", "images": "images?private=true", "ssh_keys": "account/keys"}
    return {kind: {each["name"] for each in api.get(f"/v2/{path}")[kind]} for kind, path in lists.items()}


def builds(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v2/droplets?tag_name={BUILD}")["droplets"]
    return [each for each in found if each["name"].startswith("bake-")]


@contextmanager
def a_bake(checkout: Checkout, api: Api) -> Iterator[subprocess.Popen[str]]:
    """`./invoke build` as soon as its droplet is active."""
    argv, environ = ["./invoke", "build", "--version", "v1"], {**os.environ, **checkout.cloud}
    with subprocess.Popen(
        argv, cwd=checkout.folder, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as bake:
        until(lambda: any(each["status"] == "active" for each in builds(api)))
        yield bake


def packers(folder: Path) -> list[int]:
    """The processes of Packer that a bake of the clone has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if Path(line[0]).name.startswith("packer") and any(str(folder) in word for word in line):
            found.append(int(process.name))
    return found


def kill(bake: subprocess.Popen[str], folder: Path) -> None:
    """The pipeline and Packer, so that neither can do anything about it."""
    groups = {os.getpgid(pid) for pid in packers(folder)}
    os.killpg(bake.pid, signal.SIGKILL)
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    bake.wait()


def reaped(checkout: Checkout, *options: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(checkout.invoke("reap", "--json", *options))
    return data


def test_a_packer_that_is_killed_leaves_nothing(checkout: Checkout, api: Api) -> None:
    before = everything(api)
    with a_bake(checkout, api) as bake:
        assert packers(checkout.folder)
        for pid in packers(checkout.folder):
            os.kill(pid, signal.SIGKILL)
        _, said = bake.communicate(timeout=120)
    assert bake.returncode == 1 and "Packer's build failed, so there is no image." in said
    until(lambda: everything(api) == before)


def test_a_bake_that_is_killed_whole_is_found_priced_and_reaped(checkout: Checkout, api: Api) -> None:
    with a_bake(checkout, api) as bake:
        kill(bake, checkout.folder)
    (droplet,) = builds(api)
    run = next(tag for tag in droplet["tags"] if NAMES.run_of(tag))

    found = reaped(checkout)
    assert [(each["kind"], each["name"]) for each in found["found"]] == [
        ("droplet", droplet["name"]),
        ("key", run),
        ("tag", run),
    ]
    assert found["monthly"] == droplet["size"]["price_monthly"] and not found["applied"]
    assert builds(api), "nothing is removed unless it is asked for"
    assert "$6.00 a month" in checkout.invoke("reap")

    assert all(each["removed"] for each in reaped(checkout, "--apply")["found"])
    until(lambda: not builds(api))
    assert reaped(checkout)["found"] == []


def test_what_cannot_be_removed_is_said_and_fails(checkout: Checkout, api: Api) -> None:
    with a_bake(checkout, api) as bake:
        kill(bake, checkout.folder)
    api.fault(kind="response", method="DELETE", path="/v2/droplets/*", status=422)
    result = checkout.call("reap", "--apply")
    assert result.returncode == 1 and "is still there" in result.stdout
    # The next bake removes it, before anything else.
    api.fault(kind="action", type="snapshot", effect="error", reason="The disk could not be read.")
    message = checkout.refused("build", "--version", "v1")
    assert "The cloud could not take the snapshot (action " in message
    until(lambda: not builds(api))
    assert reaped(checkout)["found"] == []


def test_a_bake_that_hangs_ends_at_its_deadline(checkout: Checkout, api: Api) -> None:
    fault = api.fault(kind="action", type="snapshot", effect="hang")
    checkout.change("slipway.toml", "deadline = 1800", "deadline = 45", "A short deadline")
    try:
        message = checkout.refused("build", "--version", "v1")
    finally:
        checkout.change("slipway.toml", "deadline = 45", "deadline = 1800", "The deadline again")
    assert "The bake was not done after 45 s, so there is no image." in message
    if "something of this bake is left" in message:
        # A droplet that is being photographed cannot be removed.
        api.clear(fault)
        until(lambda: not any(each["locked"] for each in builds(api)))
        reaped(checkout, "--apply")
    until(lambda: not builds(api))
    assert reaped(checkout)["found"] == []


def test_a_droplet_that_no_state_knows_is_reaped_when_it_is_old(checkout: Checkout, api: Api) -> None:
    with without_database(checkout):
        checkout.invoke("deploy")  # of nothing: an address, a key and a state
        try:
            stray = NAMES.droplet("v0-01234567")
            api.droplet(name=stray, tags=NAMES.tags)
            assert reaped(checkout)["found"] == []
            (found,) = reaped(checkout, "--older-than", "0s")["found"]
            assert found["name"] == stray and found["why"].endswith("is in no state")
            assert reaped(checkout, "--older-than", "0s", "--apply")["found"][0]["removed"]
        finally:
            checkout.invoke("destroy", "--yes")


@contextmanager
def without_database(checkout: Checkout) -> Iterator[None]:
    settings = checkout.folder / "slipway.toml"
    before = settings.read_text()
    head, table, _ = before.partition("[database]")
    assert table
    settings.write_text(head)
    try:
        yield
    finally:
        settings.write_text(before)
