"""Git: which version and commit this is, what has changed, and the commit of a reference file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.tools.process import call, run


class Git:
    """The repository that holds the project. Every method raises PipelineError when there is none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _run(self, *args: str) -> str:
        return run(["git", *args], cwd=self.root).strip()

    def describe(self) -> str:
        """The tag at HEAD, else `git describe` (tag, distance and commit, or the commit alone)."""
        result = call(["git", "describe", "--tags", "--always"], cwd=self.root)
        if result.returncode != 0:
            raise PipelineError("There is no commit to take a version from.", "git commit, or give --version.")
        return result.stdout.strip()

    def last_commit(self, paths: Sequence[str]) -> str:
        """The commit (40 hexadecimal digits) that last changed one of the paths; raises PipelineError for none."""
        commit = self._run("log", "-1", "--format=%H", "--", *paths)
        if not commit:
            raise PipelineError(f"Nothing in {', '.join(paths)} was ever committed.", "git add and git commit them.")
        return commit

    def changed(self, paths: Sequence[str]) -> list[str]:
        """Files under the paths that differ from HEAD, untracked ones included."""
        lines = run(["git", "status", "--porcelain", "--untracked-files=all", "--", *paths], cwd=self.root)
        return [line[3:] for line in lines.splitlines()]

    def files(self, path: str) -> list[Path]:
        """The files under a path that belong to the project: tracked or not, but not ignored; sorted."""
        listed = self._run("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", path)
        found = {self.root / name for name in listed.split("\0") if name}
        return sorted(file for file in found if file.is_file())

    def past(self, path: Path, limit: int = 200) -> Iterator[str]:
        """What a file said in the commits that changed it, the newest first."""
        name = path.relative_to(self.root)
        for commit in self._run("log", f"-{limit}", "--format=%H", "--diff-filter=AM", "--", str(name)).split():
            yield self._run("show", f"{commit}:{name}")

    def head(self) -> str:
        """The commit (40 hexadecimal digits) that is checked out."""
        return self._run("rev-parse", "HEAD")

    @property
    def shallow(self) -> bool:
        """Whether the clone lacks the history before some commit."""
        return self._run("rev-parse", "--is-shallow-repository") == "true"

    def said(self, paths: Sequence[str], limit: int) -> str:
        """All that files say at the tip of every branch and tag, and said in the last commits that changed them.

        ``limit`` is the number of those commits, counted for each file over all branches. One text, with git's own
        lines between the files': it is for looking things up, not for reading.
        """
        tips = self._run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes", "refs/tags").split()
        wanted = [f"{commit}:{path}" for commit in ["HEAD", *dict.fromkeys(tips)] for path in paths]
        for path in paths:
            past = self._run("log", "--all", f"-{limit}", "--format=%H", "--", path).split()
            wanted += [f"{commit}:{path}" for commit in past]
        done = call(["git", "cat-file", "--batch"], cwd=self.root, stdin="\n".join(wanted) + "\n")
        if done.returncode != 0:
            raise PipelineError("git cannot say what was released.", done.stderr.strip()[-2000:])
        return done.stdout

    def commit(self, path: Path, message: str) -> str:
        """Commit one file and nothing else; returns the commit."""
        name = str(path.relative_to(self.root))
        self._run("add", "--", name)
        self._run("commit", "--quiet", "--message", message, "--", name)
        return self._run("rev-parse", "HEAD")
