"""The toolchain's pins, keys, overrides and errors; real builds are what the end-to-end tests start with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.tools.toolchain import TOOLS, Tool, Toolchain, _failure

ROOT = Path(__file__).parents[3]


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
