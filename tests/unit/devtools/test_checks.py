"""What `check` runs, and what it takes for a shell script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devtools.checks import Check, _passes, _scripts
from slipway.errors import PipelineError
from slipway.tools.programs import host
from slipway.tools.toolchain import RELEASE_TOOLS, TOOLS, VAULT_TOOLS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "script, silent, passes",
    [
        ("true", False, True),
        ("echo a line", False, True),
        ("echo a line", True, False),
        ("echo why; false", False, False),
    ],
)
def test_a_check_passes_or_shows_why(script: str, silent: bool, passes: bool) -> None:
    said: list[str] = []
    assert _passes(Check("it", ("sh", "-c", script), ROOT, silent=silent), said.append) is passes
    assert said[0].startswith("  ✓ it · " if passes else "  ✗ it · ")
    assert len(said) == (1 if passes else 2)


def test_shell_scripts_are_found_by_name_and_by_first_line(tmp_path: Path) -> None:
    for name, text in {
        "a.sh": "",
        "run": "#!/usr/bin/env bash\n",
        "tool": "#!/usr/bin/python3\n",
        "LICENSE": "#!",
    }.items():
        (tmp_path / name).write_text(text)
    subprocess.run("git init -q . && git add .", shell=True, cwd=tmp_path, check=True)
    assert _scripts(tmp_path) == ["a.sh", "run"]


def test_every_release_tool_has_pins() -> None:
    others = {"actionlint", "provider-acceptance", *VAULT_TOOLS}
    assert set(RELEASE_TOOLS) | others == set(TOOLS)
    assert {tool.module for tool in TOOLS.values()} == {path.name for path in (ROOT / "toolchain").iterdir()}


def test_missing_packages_are_those_that_are_not_installed() -> None:
    assert host.missing_packages(["dpkg", "no-such-package", "apt"]) == ["no-such-package"]


def test_a_machine_without_dpkg_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PipelineError, match="neither Debian nor Ubuntu") as error:
        host.ensure_packages(["shellcheck"], lambda line: None)
    assert "shellcheck" in error.value.hint
