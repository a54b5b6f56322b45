"""A shelf in git: files under a ref of their own, only ever added, that touch neither HEAD nor index nor work tree."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from slipway.clock import SYSTEM
from slipway.errors import PipelineError
from slipway.tools.git.git import variables
from slipway.tools.programs.process import call

_ATTEMPTS = 12
_PATIENCE = "60"
"""Seconds that a remote may take to answer."""
_NONE = "0" * 40


class GitRefStore:
    """The files of one ref, its history a chain of commits. Every method raises PipelineError when git refuses.

    A file that is on the shelf is never changed: adding one under its name again does nothing.
    """

    def __init__(self, root: Path, ref: str) -> None:
        self.root = root
        self.ref = ref

    def names(self) -> list[str]:
        """The files there are, sorted."""
        return sorted(_names(self._entries(self._tip(self.ref))))

    def read(self, name: str) -> str:
        """The text of a file."""
        return self._git("cat-file", "blob", f"{self.ref}:{name}")

    def add(self, files: Mapping[str, str], message: str, author: str) -> None:
        """Put those files on the shelf that are not there, as one commit by `author` (a plain name)."""
        for _ in _attempts(f"{self.ref} changes too fast to be written."):
            old = self._tip(self.ref)
            entries = self._entries(old)
            fresh = {name: text for name, text in files.items() if name not in _names(entries)}
            if not fresh:
                return
            for name, text in fresh.items():
                entries.append(f"100644 blob {self._git('hash-object', '-w', '--stdin', stdin=text).strip()}\t{name}")
            if self._move(old, self._commit(entries, [old] if old else [], message, author)):
                return

    def fetch(self, remote: str) -> None:
        """Take what others have put on the shelf of a remote repository."""
        theirs = f"refs/slipway-remotes/{remote}/{self.ref.removeprefix('refs/')}"
        # A pattern, because a remote that has no such ref yet is no failure.
        self._git("fetch", "--quiet", "--no-tags", remote, f"+{self.ref}*:{theirs}*", away=True)
        for _ in _attempts(f"{self.ref} changes too fast to be written."):
            ours, other = self._tip(self.ref), self._tip(theirs)
            if other is None or ours == other or (ours and self._is_within(other, ours)):
                return
            merged = other if ours is None or self._is_within(ours, other) else self._merged(ours, other)
            if self._move(ours, merged):
                return

    def share(self, remote: str) -> None:
        """Put what is on the shelf on that of a remote repository, together with what others have put there."""
        for _ in _attempts(f"{remote} refuses {self.ref}."):
            self.fetch(remote)
            if self._tip(self.ref) is None:
                return
            done = self._call("push", "--quiet", "--no-verify", remote, f"{self.ref}:{self.ref}", away=True)
            if done.returncode == 0:
                return
            if not any(
                word in done.stderr for word in ("rejected", "failed to lock", "cannot lock", "failed to update")
            ):
                raise PipelineError(f"{remote} does not take {self.ref}.", done.stderr.strip()[-500:])

    def _merged(self, ours: str, theirs: str) -> str:
        """Both trees as one; where both have a file, what is published stays as it is."""
        entries = {_name(entry): entry for entry in [*self._entries(ours), *self._entries(theirs)]}
        return self._commit(list(entries.values()), [ours, theirs], "Merge what others have written", "slipway")

    def _entries(self, commit: str | None) -> list[str]:
        return (
            [entry for entry in self._git("ls-tree", "--full-tree", "-z", commit).split("\0") if entry]
            if commit
            else []
        )

    def _commit(self, entries: list[str], parents: list[str], message: str, author: str) -> str:
        tree = self._git("mktree", "-z", stdin="".join(f"{entry}\0" for entry in entries)).strip()
        env = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author), ("EMAIL", author.replace(" ", ".")))
        }
        chain = [word for parent in parents for word in ("-p", parent)]
        return self._git("commit-tree", tree, *chain, "-m", message, env=env).strip()

    def _tip(self, ref: str) -> str | None:
        return self._call("rev-parse", "--quiet", "--verify", f"{ref}^{{commit}}").stdout.strip() or None

    def _is_within(self, commit: str, other: str) -> bool:
        return self._call("merge-base", "--is-ancestor", commit, other).returncode == 0

    def _move(self, old: str | None, new: str) -> bool:
        return self._call("update-ref", self.ref, new, old or _NONE).returncode == 0

    def _git(
        self, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None, away: bool = False
    ) -> str:
        done = self._call(*args, stdin=stdin, env=env, away=away)
        if done.returncode != 0:
            raise PipelineError(f"`git {args[0]}` failed for {self.ref}.", done.stderr.strip()[-500:])
        return done.stdout

    def _call(
        self, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None, away: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run git, which asks nobody for anything; `away` bounds the time of what goes to another machine."""
        bound = ["timeout", _PATIENCE] if away else []
        return call([*bound, "git", *args], cwd=self.root, env={**variables(), **(env or {})}, stdin=stdin)


def _attempts(complaint: str) -> Iterator[int]:
    """Several, with pauses of their own length, so that two who are in each other's way part; then PipelineError."""
    for attempt in range(_ATTEMPTS):
        yield attempt
        SYSTEM.sleep(random.uniform(0.02, 0.1) * (attempt + 1))
    raise PipelineError(complaint, "Try again.")


def _name(entry: str) -> str:
    return entry.partition("\t")[2]


def _names(entries: list[str]) -> set[str]:
    return {_name(entry) for entry in entries}
