"""The toolchain's pins, keys, overrides and errors; real builds are what the end-to-end tests start with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.project import ToolchainSettings
from slipway.tools.terraform import provider
from slipway.tools.toolchain import TOOLS, Tool, Toolchain, _failure, architecture

ROOT = Path(__file__).parents[4]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the pins alone."""
    shutil.copytree(ROOT / "toolchain", tmp_path / "checkout" / "toolchain")
    return tmp_path / "checkout"


@pytest.fixture
def toolchain(tmp_path: Path, checkout: Path) -> Toolchain:
    return Toolchain(tmp_path / "cache", checkout)


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_the_table_names_what_the_module_pins(tool: Tool) -> None:
    pins = (ROOT / "toolchain" / tool.module / "go.mod").read_text()
    # Tests are of a package below the program that is the module.
    program = tool.package.rpartition("/")[0] if tool.tests else tool.package
    assert re.search(rf"^(tool |\t){re.escape(program)}$", pins, re.MULTILINE)
    pinned = "v1.23.1-0.20220128164423-885dabcc14b0" if "provider" in tool.name else f"v{tool.version}"
    module = program.split("/cmd/")[0].split("/plugins/")[0]
    assert f"{module} {pinned}" in pins


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_a_changed_pin_is_another_tool(toolchain: Toolchain, checkout: Path, file: str) -> None:
    before = toolchain.folder("opentofu")
    pins = checkout / "toolchain" / "opentofu" / file
    pins.write_text(pins.read_text() + "\n")
    assert toolchain.folder("opentofu") != before
    assert toolchain.folder("opentofu").parent == before.parent


def test_a_missing_pin_is_one_sentence(toolchain: Toolchain, checkout: Path) -> None:
    (checkout / "toolchain" / "packer" / "go.sum").unlink()
    with pytest.raises(PipelineError, match=r"go\.sum cannot be read"):
        toolchain.folder("packer")


def test_what_is_built_is_not_built_again(toolchain: Toolchain) -> None:
    toolchain.folder("packer").mkdir(parents=True)
    said: list[str] = []
    toolchain.ensure(["packer"], said.append)
    assert said == []


def test_sources_that_no_checksum_pins_are_refused(toolchain: Toolchain, checkout: Path) -> None:
    (checkout / "toolchain" / "actionlint" / "go.sum").write_text("")
    with pytest.raises(PipelineError, match="actionlint .* could not be built") as error:
        toolchain.ensure(["actionlint"], lambda line: None)
    assert "go.sum" in Path(error.value.hint.removeprefix("The log: ")).read_text()
    assert not toolchain.folder("actionlint").exists()


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path, checkout: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="cannot be written") as error:
        Toolchain(tmp_path / "file" / "cache", checkout).ensure(["packer"], lambda line: None)
    assert "SLIPWAY_CACHE" in error.value.hint


@pytest.mark.parametrize(
    "output, says",
    [
        ("write /x: no space left on device", "The disk is full"),
        ("dial tcp: lookup proxy: no such host", "could not be fetched"),
        ("main.go:1: syntax error", "could not be built"),
    ],
)
def test_a_failed_build_says_why(output: str, says: str) -> None:
    error = _failure(TOOLS["packer"], output, Path("/log"), Path("/cache"))
    assert says in error.message and "Packer 1.15.1" in error.message and error.hint


def test_a_users_own_tools_are_used(tmp_path: Path, checkout: Path) -> None:
    packer = program(tmp_path / "my-packer", "Packer v1.14.0")
    terraform = program(tmp_path / "my-terraform", "Terraform v1.11.4")
    environ = {"SLIPWAY_CACHE": str(tmp_path / "c"), "PACKER": str(packer), "TERRAFORM": str(terraform)}
    toolchain = Toolchain.from_environment(checkout, environ)
    assert (toolchain.packer(), toolchain.tofu()) == (packer, terraform)
    said: list[str] = []
    toolchain.ensure(["packer", "opentofu"], said.append)
    assert said == []


def test_an_own_tool_that_is_none_is_refused(tmp_path: Path, checkout: Path) -> None:
    for value in (str(tmp_path / "nowhere"), str(program(tmp_path / "other", "Vault v1.0"))):
        toolchain = Toolchain(tmp_path / "cache", checkout, {"packer": value, "opentofu": value})
        with pytest.raises(PipelineError, match="PACKER names"):
            toolchain.packer()
        with pytest.raises(PipelineError, match="TERRAFORM names") as error:
            toolchain.tofu()
        assert error.value.hint == "Unset TERRAFORM to use the one that slipway builds."


def test_each_tool_finds_its_companion_in_the_environment(toolchain: Toolchain) -> None:
    packer, tofu = toolchain.environment("packer"), toolchain.environment("opentofu")
    assert Path(packer["PACKER_PLUGIN_PATH"]).parent == toolchain.folder("packer-plugin-digitalocean")
    assert Path(tofu["TF_CLI_CONFIG_FILE"]) == toolchain.provider_config()
    assert toolchain.environment("go")["GOTOOLCHAIN"] == "local"


PLUGIN = "This binary is a plugin. These are not meant to be executed directly."


def provider_program(path: Path, says: str = PLUGIN) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    path.chmod(0o755)
    return path


def test_a_users_own_provider_is_laid_into_a_mirror_for_both_engines(tmp_path: Path, checkout: Path) -> None:
    own = provider_program(tmp_path / "terraform-provider-digitalocean_v2.99.1")
    environ = {"SLIPWAY_CACHE": str(tmp_path / "c"), "TERRAFORM_PROVIDER": str(own)}
    settings = ToolchainSettings(provider="registry")
    toolchain = Toolchain.from_environment(checkout, environ, settings)
    assert toolchain.provider_lock is None, "a binary goes before the setting"
    said: list[str] = []
    toolchain.ensure([provider.NAME], said.append)
    assert said == []
    config = toolchain.provider_config()
    laid = sorted(path.relative_to(config.parent / "mirror") for path in config.parent.rglob("terraform-provider-*"))
    platform = f"linux_{architecture()}"
    assert [str(path) for path in laid] == [
        f"{host}/digitalocean/digitalocean/2.99.1/{platform}/terraform-provider-digitalocean_v2.99.1"
        for host in ("registry.opentofu.org", "registry.terraform.io")
    ]
    assert str(config.parent / "mirror") in config.read_text()


def test_an_own_provider_that_is_none_is_refused(tmp_path: Path, checkout: Path) -> None:
    other = provider_program(tmp_path / "other", "Vault v1.0")
    for value, says in ((tmp_path / "nowhere", "not a file"), (tmp_path, "not a file"), (other, "does not answer")):
        environ = {"SLIPWAY_CACHE": str(tmp_path / "c"), "TERRAFORM_PROVIDER": str(value)}
        with pytest.raises(PipelineError, match=f"TERRAFORM_PROVIDER names .*{says}") as error:
            Toolchain.from_environment(checkout, environ).provider_config()
        assert error.value.hint == "Unset TERRAFORM_PROVIDER to use the one that slipway builds."


def test_a_link_tells_the_version_of_what_it_names_and_a_nameless_binary_a_stand_in(tmp_path: Path) -> None:
    go, pinned = Path("/bin/false"), ("v1.0.0-x", "2.17.1")
    own = provider_program(tmp_path / "terraform-provider-digitalocean_v2.41.0_x5")
    (tmp_path / "link").symlink_to(own)
    assert provider.version_of(tmp_path / "link", go, pinned) == "2.41.0"
    assert provider.version_of(provider_program(tmp_path / "nameless"), go, pinned) == "2.999.0"


@pytest.mark.parametrize(
    ("module", "wanted"),
    [("v1.0.0-x", "2.17.1"), ("v2.99.1", "2.99.1"), ("v2.99.1+dirty", "2.99.1"), ("(devel)", "2.999.0")],
)
def test_a_binary_tells_its_version_by_what_go_wrote_into_it(tmp_path: Path, module: str, wanted: str) -> None:
    go = tmp_path / "go"
    told = f"\\tmod\\tgithub.com/digitalocean/terraform-provider-digitalocean\\t{module}\\th1:x="
    go.write_text(f"#!/bin/sh\nprintf '{told}\\n'\n")
    go.chmod(0o755)
    assert provider.version_of(tmp_path / "nameless", go, ("v1.0.0-x", "2.17.1")) == wanted


def test_a_registry_is_asked_directly_or_through_its_mirror(tmp_path: Path, checkout: Path) -> None:
    direct = Toolchain(tmp_path, checkout, settings=ToolchainSettings(provider="registry"))
    assert "direct {}" in direct.provider_config().read_text()
    mirror = Toolchain(
        tmp_path, checkout, settings=ToolchainSettings(provider="registry", mirror="https://mirror.example.com/p")
    )
    assert 'url = "https://mirror.example.com/p/"' in mirror.provider_config().read_text()
    assert direct.provider_config() != mirror.provider_config()
    assert mirror.provider_lock == checkout / "terraform" / "provider.lock.hcl"
    with pytest.raises(PipelineError, match="does not come from a registry"):
        Toolchain(tmp_path, checkout).lock_provider()
