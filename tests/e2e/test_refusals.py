"""Bad input: one sentence and a hint, a non-zero exit, and nothing changed."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkout import NAMES, REFERENCE, Checkout
from tests.support import AS_ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.host]


@pytest.fixture(autouse=True)
def nothing_changes(checkout: Checkout) -> Iterator[None]:
    """Whatever is refused leaves git and world as they were."""
    checkout.invoke("cloud.up")
    before = checkout.status(), checkout.git("status", "--porcelain"), checkout.git("rev-parse", "HEAD")
    yield
    assert (checkout.status(), checkout.git("status", "--porcelain"), checkout.git("rev-parse", "HEAD")) == before


def test_a_version_that_was_never_built(checkout: Checkout) -> None:
    message = checkout.refused("deploy", "--version", "v99")
    assert "There is no image of version v99." in message
    assert "./invoke build --version v99" in message


def test_something_that_is_no_version(checkout: Checkout) -> None:
    assert "'v 1' cannot be a version" in checkout.refused("build", "--version", "v 1")
    assert "'v1..0' cannot be a version" in checkout.refused("build", "deploy", "--version", "v1..0")


def test_an_empty_name(checkout: Checkout) -> None:
    assert "--version is empty" in checkout.refused("deploy", "--version", "")
    assert "--environment is empty" in checkout.refused("deploy", "--environment", "", DIGITALOCEAN_TOKEN="any")


def test_a_setting_that_no_environment_can_hold(checkout: Checkout) -> None:
    begin = time.monotonic()
    message = checkout.refused("build", "deploy", "--version", "v1", "--set", "APP_MESSAGE=caf\udce9")
    assert "The value of APP_MESSAGE is not UTF-8 at character 4" in message and "base64" in message
    assert "the limit is 20480" in checkout.refused("deploy", "--set", "APP_MESSAGE=" + "x" * 100_000)
    assert time.monotonic() - begin < 20


def test_uncommitted_changes_in_what_goes_into_the_image(checkout: Checkout) -> None:
    stray = checkout.folder / "app" / "stray.go"
    stray.write_text("package main\n")
    try:
        message = checkout.refused("build", "deploy", "--version", "v9")
    finally:
        stray.unlink()
    assert "uncommitted changes: app/stray.go" in message and "--dirty" in message


def test_an_unknown_environment(checkout: Checkout) -> None:
    message = checkout.refused("deploy", "--environment", "staging")
    assert "There is no environment 'staging'; known are local, production." in message


def test_production_without_a_token(checkout: Checkout) -> None:
    assert "DIGITALOCEAN_TOKEN is not set" in checkout.refused("deploy", "--environment", "production")


def test_a_wrong_token(checkout: Checkout) -> None:
    # The local cloud refuses a wrong token as DigitalOcean does, in its words.
    wrong = {"DIGITALOCEAN_TOKEN": "wrong", "DIGITALOCEAN_API_URL": checkout.api().endpoint}
    message = checkout.refused("releases", "--environment", "production", **wrong)
    assert "Unable to authenticate you" in message and "DIGITALOCEAN_TOKEN" in message


def test_a_cloud_that_does_not_answer(checkout: Checkout) -> None:
    nowhere = {"DIGITALOCEAN_TOKEN": "any", "DIGITALOCEAN_API_URL": "http://127.0.0.1:9"}
    assert "http://127.0.0.1:9 does not answer" in checkout.refused(
        "releases", "--environment", "production", **nowhere
    )


@pytest.mark.parametrize("text", ["{", '{"live": "v1-0", "releases": {}, "standby": null}'])
def test_a_corrupt_reference_file(checkout: Checkout, text: str) -> None:
    path = checkout.folder / REFERENCE
    before = path.read_text()
    path.write_text(text)
    try:
        for verb in (["deploy"], ["rollback"], ["releases"]):
            assert "The reference file local.tfvars.json is corrupt" in checkout.refused(*verb)
        assert path.read_text() == text
    finally:
        path.write_text(before)


def test_a_setting_without_a_value(checkout: Checkout) -> None:
    assert "--set PORT has no value" in checkout.refused("deploy", "--set", "PORT")


def test_an_engine_that_cannot_encrypt_its_state(checkout: Checkout, tmp_path: Path) -> None:
    terraform = tmp_path / "terraform"
    terraform.write_text("#!/bin/sh\necho Terraform v1.9.8\n")
    terraform.chmod(0o755)
    message = checkout.refused("deploy", TERRAFORM=str(terraform))
    assert "HashiCorp's Terraform, which cannot encrypt its state" in message and 'encryption = "off"' in message


def test_a_second_deploy_while_one_runs(checkout: Checkout) -> None:
    lock = checkout.folder / ".slipway" / "local" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write("deploy v7, process 1")
        file.flush()
        assert "Another run is under way here: deploy v7, process 1." in checkout.refused("deploy", "--version", "v1")


def test_a_busy_port(checkout: Checkout) -> None:
    state = Path(checkout.cloud["LOCALOCEAN_STATE"]).with_name("elsewhere")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        elsewhere = {"LOCALOCEAN_STATE": str(state), "LOCALOCEAN_PORT": str(port)}
        assert str(port) in checkout.refused("cloud.up", **elsewhere)
        assert "The local cloud did not start" in checkout.refused("deploy", **elsewhere)


def test_a_disk_without_space(checkout: Checkout, small_disk: Path) -> None:
    full = {"LOCALOCEAN_STATE": str(small_disk / "state"), "LOCALOCEAN_PORT": "1"}
    assert "space" in checkout.refused("cloud.up", **full)
    assert "The disk is full" in checkout.refused("check", SLIPWAY_CACHE=str(small_disk / "cache"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 4 MB."""
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", "size=4m,mode=0777", "small", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run([*AS_ROOT, "umount", str(tmp_path)], check=True)


def test_no_root_and_no_sudo(checkout: Checkout, tmp_path: Path) -> None:
    # A user namespace without a mapping: the same files can be read, but nobody in it is root.
    become_nobody = ["/usr/bin/unshare", "--user"] if os.geteuid() == 0 else []
    result = subprocess.run(
        [*become_nobody, sys.executable, "-m", "localocean", "up"],
        env={**checkout.cloud, "PATH": "/nowhere", "LOCALOCEAN_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1, result.stderr
    assert "root" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "state").exists()


def test_two_images_of_one_name(checkout: Checkout) -> None:
    api = checkout.api()
    droplet = api.droplet(name="twin")["id"]
    snapshots = f"/v2/droplets/{droplet}/snapshots"
    try:
        for _ in range(2):
            api.act(droplet, "snapshot", name=NAMES.image("twin", "0" * 12))
        one, other = api.get(snapshots)["snapshots"]
        assert "There is a version twin already" in checkout.refused("build", "--version", "Twin")
        message = checkout.refused("deploy", "--version", "twin")
        assert "two images" in message and str(one["id"]) in message and str(other["id"]) in message
    finally:
        for image in api.get(snapshots)["snapshots"]:
            api.call("DELETE", f"/v2/images/{image['id']}", status=204)
        api.delete_droplet(droplet)
