"""The whole story with a provider that is not the one that slipway builds: a user's own, and one of a registry."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from slipway.tools.terraform.provider import locked_version
from slipway.tools.toolchain import Toolchain
from tests.e2e.checkout import Checkout, ask, clone
from tests.mirror import built_provider, mirror
from tests.support import own_cloud

pytestmark = [pytest.mark.e2e, pytest.mark.host]

ROOT = Path(__file__).parents[2]
NEWER = "2.99.1"


@contextmanager
def own(folder: Path, project: Path, binary: Path) -> Iterator[Mapping[str, str]]:
    """A copy of a provider elsewhere, under a name of its own."""
    copy = folder / "my-own"
    shutil.copy2(binary, copy)
    yield {"TERRAFORM_PROVIDER": str(copy)}


@contextmanager
def registry(folder: Path, project: Path, binary: Path) -> Iterator[Mapping[str, str]]:
    """A provider that a mirror of the registry gives over TLS, as a newer version."""
    with mirror(folder) as served:
        served.offer(binary, NEWER)
        with (project / "slipway.toml").open("a") as file:
            file.write(f'\n[toolchain]\nprovider = "registry"\nmirror = "{served.url}"\n')
        yield {"SSL_CERT_FILE": str(served.ca)}


@pytest.fixture(params=[own, registry], ids=["own", "registry"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Checkout]:
    """A clone whose provider comes from elsewhere, and a cloud of its own."""
    binary = built_provider(Toolchain.from_environment(ROOT, os.environ))
    project, folder = tmp_path / "project", tmp_path / "provider"
    clone(project)
    folder.mkdir()
    with request.param(folder, project, binary) as environ, own_cloud("providers") as cloud:
        yield Checkout(project, {**cloud, **environ})


def test_the_story_is_the_same_with_another_provider(checkout: Checkout) -> None:
    """A release, another one, the way back, what git says, and the end."""
    locked = "[toolchain]" in (checkout.folder / "slipway.toml").read_text()
    if locked:
        assert NEWER in checkout.invoke("lock")
        checkout.git("add", "--all")
        checkout.git("commit", "--quiet", "--message", "Take the provider from the registry")
    checkout.invoke("build", "deploy", "--version", "v1")
    address = checkout.status()["floating_ip"]
    first = ask(address)["release"]
    checkout.invoke("deploy", "--set", "APP_MESSAGE=hello")
    assert ask(address)["release"] != first
    checkout.invoke("rollback")
    assert ask(address)["release"] == first and checkout.status()["in_sync"]
    for folder in ("terraform", "database"):
        lock = checkout.folder / ".slipway" / "local" / folder / ".terraform.lock.hcl"
        assert (locked_version(lock) == NEWER) is locked
    if locked:
        lock = checkout.folder / "terraform" / "provider.lock.hcl"
        kept = lock.read_text()
        lock.write_text(kept.replace("h1:", "h1:AAAA"))
        assert "its checksum differs" in checkout.refused("deploy", "--set", "APP_MESSAGE=again")
        lock.write_text(kept)
    checkout.invoke("destroy", "--yes", "--with-database", "--no-backup")
