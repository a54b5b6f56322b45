"""The local cloud, as the outside tool that it is: its command line and the address that it gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pipeline.config import Cloud
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.tools import children


class LocalCloud:
    """The local cloud that LOCALCLOUD_… in the environment names, by default the user's one."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress

    def up(self) -> Cloud:
        """Start it unless it runs; raises PipelineError in its own words when it cannot."""
        answer = json.loads(self._run("up", "--json"))
        return Cloud("local", answer["endpoint"], answer["token"])

    def _run(self, *args: str) -> str:
        # Its progress (standard error) goes straight to whoever watches; only its answer is ours.
        argv = [sys.executable, "-m", "localcloud", *args]
        with children.started(argv, terminal=True, cwd=self._root, stdout=subprocess.PIPE, text=True) as program:
            answer, _ = program.communicate()
        if program.returncode != 0:
            raise PipelineError("The local cloud did not start.", "What it said stands above; ./invoke cloud.status.")
        return str(answer)
