"""What a command of the project's own leaves in a folder: an app in any language."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.config import ENVIRONMENTS
from slipway.errors import PipelineError
from slipway.image.artifact import Kitchen, cached, digest_files, export
from slipway.project import Project
from slipway.tools.programs.environment import DOWNLOADS, compose
from slipway.tools.programs.process import Overdue, call

BUILD_S = 1800.0


@dataclass(frozen=True)
class Made:
    """A command for a shell, run in a copy of what belongs to the project, and the folder that it leaves there."""

    command: str
    folder: str

    @classmethod
    def of(cls, project: Project) -> Made:
        """The one that `slipway.toml` names."""
        return cls(project.app.build, project.app.folder)

    @property
    def paths(self) -> Sequence[str]:
        """The whole project, but not what was released."""
        return (".", f":(exclude){ENVIRONMENTS}")

    def make(self, kitchen: Kitchen, version: str, commit: str) -> Path:
        """The folder; raises PipelineError with the command's words when it fails or leaves nothing."""
        git = kitchen.git
        made_of = digest_files((file, git.root) for file in git.files(*self.paths))
        key = hashlib.sha256("\0".join((made_of, self.command, self.folder, version, commit)).encode()).hexdigest()[:16]
        with cached(kitchen.cache, key) as (made, draft):
            if draft is not None:
                with tempfile.TemporaryDirectory(prefix="source-", dir=draft.parent) as place:
                    copy = export(git, Path(place), *self.paths)
                    kitchen.say(f"running {self.command}")
                    self._run(copy, version, commit)
                    left = copy / self.folder
                    if not left.is_dir() or not any(left.iterdir()):
                        raise PipelineError(
                            f"`{self.command}` left nothing in {self.folder}.",
                            "[app] folder in slipway.toml is the folder that becomes /opt/app on a droplet.",
                        )
                    shutil.copytree(left, draft, symlinks=True)
        return made

    def _run(self, copy: Path, version: str, commit: str) -> None:
        known = {"VERSION": version, "COMMIT": commit}
        try:
            done = call(["sh", "-euc", self.command], cwd=copy, env={**compose(DOWNLOADS), **known}, seconds=BUILD_S)
        except Overdue:
            raise PipelineError(f"`{self.command}` had no end after {BUILD_S:.0f} s.") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise PipelineError(f"`{self.command}` failed with exit status {done.returncode}.", said)
