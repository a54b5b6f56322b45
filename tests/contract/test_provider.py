"""OpenTofu takes the provider from where it is told to: a user's own binary, or a registry's, held to the lock file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.project import ToolchainSettings
from slipway.tools.terraform import provider
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform
from slipway.tools.toolchain import TERRAFORM_TOOLS, Toolchain
from tests.mirror import Mirror, built_provider, mirror

ROOT = Path(__file__).parents[2]
NEWER = "2.99.1"
OTHER_REGISTRY = "registry.opentofu.org/digitalocean/digitalocean"


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    found = Toolchain.from_environment(ROOT, os.environ)
    found.ensure(TERRAFORM_TOOLS, print)
    return found


@pytest.fixture(scope="module")
def binary(toolchain: Toolchain) -> Path:
    return built_provider(toolchain)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    with mirror(folder) as found:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What of a checkout decides on the provider."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "toolchain", root / "toolchain")
    for folder in ("terraform", "terraform/database"):
        (root / folder).mkdir()
        shutil.copyfile(ROOT / folder / "versions.tf", root / folder / "versions.tf")
    return root


def engine(toolchain: Toolchain, root: Path, folder: Path) -> Terraform:
    module = Root(root / "terraform", folder, folder / "none.tf", toolchain.provider_lock)
    env = {**toolchain.environment("opentofu"), "DIGITALOCEAN_TOKEN": "none"}
    return Terraform(toolchain.tofu(), module, env, Encryption(None))


def version(found: Terraform, toolchain: Toolchain) -> str:
    """The version of the provider that a working folder has, by OpenTofu's own word."""
    argv = [str(toolchain.tofu()), "version", "-json"]
    env = {**os.environ, **found.environment}
    said = subprocess.run(argv, cwd=found.folder, env=env, capture_output=True, text=True, check=True).stdout
    selected: str = json.loads(said)["provider_selections"][OTHER_REGISTRY]
    return selected


@pytest.mark.parametrize(
    ("name", "wanted"), [("my-provider", "2.17.1"), ("terraform-provider-digitalocean_v2.99.1_x5", NEWER)]
)
def test_a_users_own_provider_is_used_under_its_own_version(
    tmp_path: Path, project: Path, toolchain: Toolchain, binary: Path, name: str, wanted: str
) -> None:
    own = tmp_path / "elsewhere" / name
    own.parent.mkdir()
    shutil.copyfile(binary, own)
    own.chmod(0o755)
    environ = {**os.environ, "TERRAFORM_PROVIDER": str(own), "SLIPWAY_CACHE": str(tmp_path / "cache")}
    with_own = replace(
        Toolchain.from_environment(project, environ),
        overrides={provider.NAME: str(own), "opentofu": str(toolchain.tofu())},
    )
    said: list[str] = []
    with_own.ensure([provider.NAME], said.append)
    assert said == [], "nothing is built"
    terraform = engine(with_own, project, tmp_path / "work")
    terraform.init()
    assert version(terraform, with_own) == wanted
    before = with_own.provider_config()
    assert with_own.provider_config() == before, "it is laid out once"
    with own.open("ab") as file:
        file.write(b"another build")
    assert with_own.provider_config() != before, "another binary at the same place is another provider"
    again = engine(with_own, project, tmp_path / "work")
    again.init()
    assert version(again, with_own) == wanted


def registry(toolchain: Toolchain, root: Path, cache: Path, url: str) -> Toolchain:
    own_engine = {"opentofu": str(toolchain.tofu())}
    return Toolchain(cache, root, own_engine, ToolchainSettings(provider="registry", mirror=url))


def test_a_registry_s_provider_is_locked_and_taken_over_tls(
    tmp_path: Path, project: Path, toolchain: Toolchain, binary: Path, served: Mirror
) -> None:
    served.offer(binary, "2.50.0")
    served.offer(binary, NEWER)
    served.offer(binary, "3.0.0")
    asking = registry(toolchain, project, tmp_path / "cache", served.url)
    terraform = engine(asking, project, tmp_path / "work")
    with pytest.raises(PipelineError, match=r"there is no terraform/provider.lock.hcl") as error:
        terraform.init()
    assert error.value.hint.startswith("./invoke lock")
    assert asking.lock_provider() == project / "terraform" / "provider.lock.hcl"
    assert provider.locked_version(project / "terraform" / "provider.lock.hcl") == NEWER, "the newest in the range"
    terraform.init()
    assert version(terraform, asking) == NEWER
    assert any(path.endswith(f"/{NEWER}.zip") for path in served.asked)
    served.offer(binary, "2.99.2")
    (tmp_path / "again").mkdir()
    again = engine(asking, project, tmp_path / "again")
    again.init()
    assert version(again, asking) == NEWER, "a newer one changes nothing before it is locked"


def test_another_checksum_is_refused_and_named(
    tmp_path: Path, project: Path, toolchain: Toolchain, binary: Path, served: Mirror
) -> None:
    served.offer(binary, NEWER)
    asking = registry(toolchain, project, tmp_path / "cache", served.url)
    asking.lock_provider()
    served.offer(binary, NEWER, beside="somebody was here")
    with pytest.raises(PipelineError, match="its checksum differs") as error:
        engine(asking, project, tmp_path / "work").init()
    assert "./invoke lock" in error.value.hint
    asking.lock_provider()
    engine(asking, project, tmp_path / "work").init()


def test_a_lock_that_does_not_fit_the_range_is_refused(
    tmp_path: Path, project: Path, toolchain: Toolchain, binary: Path, served: Mirror
) -> None:
    served.offer(binary, NEWER)
    asking = registry(toolchain, project, tmp_path / "cache", served.url)
    asking.lock_provider()
    lock = project / "terraform" / "provider.lock.hcl"
    lock.write_text(lock.read_text().replace(NEWER, "2.16.0"))
    with pytest.raises(PipelineError, match=r"provider.lock.hcl") as error:
        engine(asking, project, tmp_path / "work").init()
    assert "./invoke lock" in error.value.hint
    lock.write_text(lock.read_text().replace("2.16.0", NEWER))
    work = engine(asking, project, tmp_path / "same")
    work.init()
    kept = lock.read_text()
    lock.write_text(kept.replace("h1:", "h1:AAAA"))
    with pytest.raises(PipelineError, match="its checksum differs"):
        work.init()
    lock.write_text(kept)
    work.init()
    assert (work.folder / provider.WORKING_LOCK).read_text() == kept, "a refused lock leaves nothing behind"
    lock.write_text("")
    with pytest.raises(PipelineError, match="names no provider in the range"):
        engine(asking, project, tmp_path / "work").init()


def test_a_registry_that_is_away_or_that_nobody_vouches_for_is_one_sentence(
    tmp_path: Path, project: Path, toolchain: Toolchain, binary: Path, served: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.offer(binary, NEWER)
    asking = registry(toolchain, project, tmp_path / "cache", served.url)
    asking.lock_provider()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(PipelineError, match="The registry does not give the provider") as error:
        engine(asking, project, tmp_path / "work").init()
    assert "certificate" in error.value.hint
    away = registry(toolchain, project, tmp_path / "cache", "https://127.0.0.1:9/")
    with pytest.raises(PipelineError, match="The registry does not give the provider"):
        engine(away, project, tmp_path / "work").init()
