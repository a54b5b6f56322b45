"""Git: which version and commit this is, what has changed, and the commit of a reference file.

The project may be a folder of a larger repository: every path is the project's own, and so is every answer. Nothing is
read through a command whose output a user's configuration changes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from slipway.errors import PipelineError
from slipway.tools.programs.environment import GIT, compose
from slipway.tools.programs.process import call, run

_SETTINGS = {
    **{"color.ui": "false", "core.quotePath": "false", "core.abbrev": "auto", "core.pager": "cat"},
    **{"core.fsmonitor": "false", "log.showSignature": "false", "submodule.recurse": "false"},
    **{"push.followTags": "false", "push.gpgSign": "false", "push.recurseSubmodules": "no"},
}
"""Settings that a user's own must not replace, for every call of git."""
_RELEASED = re.compile(r"[vV]?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?")
"""A tag that is a version: numbers, and perhaps the name of a version before the real one."""
_ELSEWHERE = "--exclude=*/*"
"""No tag of another folder's."""


def variables() -> Mapping[str, str]:
    """The environment of git: its messages are read, it asks nobody for anything, and reading writes nothing."""
    found = compose(GIT)
    count = int(found["GIT_CONFIG_COUNT"]) if found.get("GIT_CONFIG_COUNT", "").isdecimal() else 0
    for number, (name, value) in enumerate(_SETTINGS.items(), count):  # of two settings the later one counts
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    own = {"GIT_CONFIG_COUNT": str(count + len(_SETTINGS)), "LC_ALL": "C.UTF-8"}
    return {**found, **own, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


class Git:
    """The repository that holds the project. Every method raises PipelineError when there is none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _run(self, *args: str) -> str:
        return run(["git", *args], cwd=self.root, env=variables()).strip()

    @cached_property
    def folder(self) -> str:
        """The project's folder in the repository, with a slash at its end; empty for the repository itself."""
        prefix = run(["git", "rev-parse", "--show-prefix"], cwd=self.root, env=variables())
        return prefix.removesuffix("\n")

    def describe(self) -> str:
        """The version that a tag at HEAD names, else the nearest tag with distance and commit, or the commit alone.

        In a folder of a larger repository, tags that begin with the folder's name go first, and the commit is the last
        one that changed the folder.
        """
        if best := best_version(self._tags("HEAD")):
            return best
        commit = self.last_commit(["."]) if self._has_commits() and self.folder else "HEAD"
        own = [[f"--match={self.folder}*"]] if self.folder else []
        for patterns in (*own, ["--match=v[0-9]*", "--match=[0-9]*", _ELSEWHERE], [_ELSEWHERE]):
            argv = ["git", "describe", "--tags", "--long", *patterns, commit]
            result = call(argv, cwd=self.root, env=variables())
            if result.returncode == 0:
                tag, distance, abbreviated = result.stdout.strip().rsplit("-", 2)
                best = best_version(self._tags(f"refs/tags/{tag}^{{commit}}")) or tag.removeprefix(self.folder)
                return best if distance == "0" else f"{best}-{distance}-{abbreviated}"
        if not self._has_commits():
            raise PipelineError("There is no commit to take a version from.", "git commit, or give --version.")
        return self._run("rev-parse", "--short", commit)

    def _has_commits(self) -> bool:
        argv = ["git", "rev-parse", "--quiet", "--verify", "HEAD"]
        return call(argv, cwd=self.root, env=variables()).returncode == 0

    def _tags(self, commit: str) -> list[str]:
        """The tags at a commit that are about this project, without its folder's name."""
        argv = ["git", "for-each-ref", f"--points-at={commit}", "--format=%(refname:strip=2)", "refs/tags"]
        tags = call(argv, cwd=self.root, env=variables()).stdout.split()
        own = [tag.removeprefix(self.folder) for tag in tags if self.folder and tag.startswith(self.folder)]
        return own or [tag for tag in tags if "/" not in tag]

    def last_commit(self, paths: Sequence[str]) -> str:
        """The commit (40 hexadecimal digits) that last changed one of the paths; raises PipelineError for none."""
        commit = self._run("rev-list", "-1", "HEAD", "--", *paths)
        if not commit:
            raise PipelineError(f"Nothing in {', '.join(paths)} was ever committed.", "git add and git commit them.")
        return commit

    def changed(self, paths: Sequence[str]) -> list[str]:
        """Files under the paths that differ from HEAD, untracked ones included.

        And those that git was told not to look at (assume-unchanged, skip-worktree), where they differ.
        """
        options = ("--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=none", "--no-renames")
        entries = run(["git", "status", *options, "--", *paths], cwd=self.root, env=variables()).split("\0")
        found = [entry[3:].removeprefix(self.folder) for entry in entries if entry]
        return found + [name for name in self._overlooked(paths) if name not in found]

    def _overlooked(self, paths: Sequence[str]) -> list[str]:
        listed = self._run("ls-files", "-v", "-z", "--", *paths).split("\0")
        marked = [entry[2:] for entry in listed if entry and (entry[0].islower() or entry[0] == "S")]
        return [name for name in marked if not self._is_as_committed(name)]

    def _is_as_committed(self, name: str) -> bool:
        path = self.root / name
        return path.is_file() and self._run("hash-object", "--", name) == self._run("rev-parse", f":./{name}")

    def files(self, *paths: str) -> list[Path]:
        """The files under paths that belong to the project: tracked or not, but not ignored; sorted."""
        options = ("-z", "--cached", "--others", "--exclude-standard")
        argv = ["git", "ls-files", *options, "--", *paths]
        listed = call(argv, cwd=self.root, env=variables(), errors="surrogateescape")
        if listed.returncode != 0:
            raise PipelineError(f"git cannot list {', '.join(paths)}.", listed.stderr.strip()[-2000:])
        found = {self.root / name for name in listed.stdout.split("\0") if name}
        return sorted(file for file in found if file.is_file())

    def past(self, path: Path, limit: int = 200) -> Iterator[str]:
        """What a file said in the commits that changed it, the newest first."""
        name = path.relative_to(self.root)
        for commit in self._run("rev-list", f"-{limit}", "HEAD", "--", str(name)).split():
            argv = ["git", "cat-file", "blob", f"{commit}:{self.folder}{name}"]
            said = call(argv, cwd=self.root, env=variables())
            if said.returncode == 0:  # it may have been removed
                yield said.stdout

    def head(self) -> str:
        """The commit (40 hexadecimal digits) that is checked out."""
        return self._run("rev-parse", "HEAD")

    @property
    def shallow(self) -> bool:
        """Whether the clone lacks the history before some commit."""
        return self._run("rev-parse", "--is-shallow-repository") == "true"

    def said(self, folder: str, suffix: str, limit: int) -> str:
        """All that the files of a folder say at the tip of every branch and tag, and said in their last commits.

        ``limit`` is the number of those commits, counted for each file over all branches. A file counts when its name
        ends with ``suffix``, on whatever branch it is. One text, with git's own lines between the files': it is for
        looking things up, not for reading.
        """
        refs = ("refs/heads", "refs/remotes", "refs/tags")
        tips = dict.fromkeys(["HEAD", *self._run("for-each-ref", "--format=%(objectname)", *refs).split()])
        trees = {oid for oid, kind in self._kinds(f"{tip}:{self.folder}{folder}" for tip in tips) if kind == "tree"}
        entries = [
            entry
            for tree in sorted(trees)
            for entry in self._run("ls-tree", "--full-tree", "-z", tree).split("\0")
            if entry
        ]
        files = [entry for entry in entries if entry.endswith(suffix)]
        wanted = [entry.split()[2] for entry in files]
        for name in sorted({entry.partition("\t")[2] for entry in files}):
            past = self._run("rev-list", "--all", f"-{limit}", "--", f"{folder}/{name}").split()
            wanted += [f"{commit}:{self.folder}{folder}/{name}" for commit in past]
        return self._batch("--batch", wanted)

    def _kinds(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Object and type of each name that there is."""
        lines = [line.split() for line in self._batch("--batch-check", names).splitlines()]
        return [(words[0], words[1]) for words in lines if len(words) == 3]

    def _batch(self, kind: str, names: Iterable[str]) -> str:
        text = "".join(f"{name}\n" for name in dict.fromkeys(names))
        done = call(["git", "cat-file", kind], cwd=self.root, env=variables(), stdin=text)
        if done.returncode != 0:
            raise PipelineError("git cannot say what was released.", done.stderr.strip()[-2000:])
        return done.stdout

    def commit(self, path: Path, message: str) -> str:
        """Commit one file and nothing else, as the user's own settings and hooks want it; returns the commit."""
        name = os.fspath(path.relative_to(self.root))
        self._run("add", "--", name)
        self._run("commit", "--quiet", "--message", message, "--", name)
        return self._run("rev-parse", "HEAD")


def best_version(tags: Iterable[str]) -> str:
    """The highest version among tags; of those that are none the last by name, and empty without any."""
    return max(tags, key=_rank, default="")


def _rank(tag: str) -> tuple[bool, tuple[int, ...], bool, tuple[tuple[bool, int, str], ...], str]:
    match = _RELEASED.fullmatch(tag)
    if match is None:
        return False, (), False, (), tag
    numbers = tuple(map(int, match[1].split(".")))
    before = match[2].split(".") if match[2] else []
    parts = tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in before)
    return True, numbers, not before, parts, tag
