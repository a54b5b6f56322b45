"""The five minutes of docs/local-cloud.md, as written there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.contract.support import ROOT, Daemon


def test_the_tutorial_works_as_written(other_daemon: Daemon, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "local-cloud.md").read_text()
    chapter = page[page.index("\n## Five minutes") : page.index("\n## Tools")]
    script = "set -eu\n" + "\n".join(re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", script],
        env={**other_daemon.env, "PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout.splitlines()
    assert [line for line in said if line in ("hello", "I am web-1", "I am web-2")] == [
        "hello",
        "I am web-1",
        "I am web-2",
    ]
