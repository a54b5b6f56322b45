"""The reference: what git says is released. One file for each environment, read by Terraform as it stands."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from slipway import contract
from slipway.contract import Contract
from slipway.data import Matching, Table, checked, expected, read_json, time
from slipway.environment import boot
from slipway.errors import PipelineError, in_a_sentence
from slipway.names import database_user, user_number
from slipway.project import OURS, SYSTEMD, VARIABLE
from slipway.tools import files

CLOUD_INIT = "cloud-init.yaml.tftpl"
"""The one file of provisioning/ that comes at boot: it belongs to the release, not to the image."""

_MARKS = 20
"""How many marks of rolled-back releases are kept."""
_LATER = {"database_user", "secrets", "database_expires", "app", "templates"}
_ENCODED = "config_base64"
"""Settings whose text OpenTofu would change: the file has them in base64."""


@dataclass(frozen=True)
class Release:
    """An image with its configuration: everything that makes one droplet differ from another.

    ``template`` is the SHA-256 of the cloud-init template; ``config`` becomes the app's environment variables.
    ``database_user`` is the user as whom it asks the database, empty for a release without one. ``secrets`` holds
    fingerprints of the app's secrets by name, never values: another value makes another release. ``database_expires``
    is when a leased user ends (RFC 3339 in UTC), empty for one that has no end. ``app`` is what the image promises,
    None for one that is older than contracts. ``templates`` are variables whose values come with the droplet, with what
    stands for them in braces (see ``slipway.project.OF_RELEASE``).
    """

    version: str
    commit: str
    image: str
    size: str
    template: str
    config: Mapping[str, str] = field(default_factory=dict)
    database_user: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    database_expires: str = ""
    app: Contract | None = None
    templates: Mapping[str, str] = field(default_factory=dict)

    @property
    def contract(self) -> Contract:
        """How its app is asked."""
        return self.app or contract.earlier(self.config)

    @property
    def key(self) -> str:
        """The release's name: its version and a digest of the rest, so that other contents are another release.

        What an entry of an older file does not have counts for nothing while it is empty: its key stays what it was.
        """
        contents = json.dumps({k: v for k, v in asdict(self).items() if v or k not in _LATER}, sort_keys=True)
        return f"{self.version}-{hashlib.sha256(contents.encode()).hexdigest()[:8]}"

    @property
    def mark(self) -> str:
        """What stays the same when only credentials do not: by this a bad release is known again."""
        return replace(self, commit="", database_user="", secrets={}, database_expires="").key

    @classmethod
    def parse(cls, data: Any) -> Release:
        """The release of an entry of the file; raises Malformed with all that is wrong with it."""
        return checked(_Entry, data).release

    def dump(self) -> dict[str, Any]:
        """The entry of the file, from which Terraform gives back what was written."""
        encoded = {name: value for name, value in self.config.items() if not boot.is_kept_by_opentofu(value)}
        if not encoded:
            return asdict(self)
        plain = {name: value for name, value in self.config.items() if name not in encoded}
        as_base64 = {name: base64.b64encode(value.encode()).decode() for name, value in encoded.items()}
        return {**asdict(self), "config": plain, _ENCODED: as_base64}


def _fit(value: str) -> str:
    """A value that a setting can have."""
    try:
        boot.refuse_unfit("the value", value)
    except PipelineError as error:
        raise ValueError(error.message.rstrip(".")) from error
    return value


def _from_base64(text: Any) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (TypeError, ValueError) as error:
        raise expected("a text in base64") from error


Value = Annotated[str, AfterValidator(_fit)]


@dataclass(frozen=True, kw_only=True)
class _Entry(Table):
    """A release as the file has it."""

    version: Annotated[str, Matching("[A-Za-z0-9.-]+", "a version such as v1")]  # Terraform's commands name it
    commit: str
    image: str
    size: str
    template: str
    config: dict[str, Value]
    database_user: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    database_expires: Annotated[str, AfterValidator(lambda text: text and time(text))] = ""
    app: Contract | None = None
    templates: dict[str, Value] = field(default_factory=dict)
    config_base64: dict[str, Annotated[Value, BeforeValidator(_from_base64)]] | None = None  # OpenTofu writes null

    def __post_init__(self) -> None:
        if twice := sorted(self.config.keys() & (self.config_base64 or {}).keys()):
            raise ValueError(f"{twice[0]} is in config and in {_ENCODED}")

    @property
    def release(self) -> Release:
        """The same with all its settings in one place."""
        given = {name: value for name, value in vars(self).items() if name != _ENCODED}
        return Release(**{**given, "config": {**self.config, **(self.config_base64 or {})}})


@dataclass(frozen=True, kw_only=True)
class _File(Table):
    live: str | None
    standby: str | None
    releases: dict[str, _Entry]
    rejected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """Which releases there are, which is live, and which droplet is kept warm as the way back.

    ``rejected`` says by their marks which were rolled back, and why. It is git's alone, so that a revert takes it
    back: two references are equal whatever they reject. ``retiring`` are releases whose droplets stay until a new one
    has proved itself: they are in what is applied then, and in no file.
    """

    releases: Mapping[str, Release] = field(default_factory=dict)
    live: str | None = None
    standby: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict, compare=False)
    retiring: tuple[str, ...] = ()

    @property
    def running(self) -> list[str]:
        """The keys of the releases that have droplets."""
        return [key for key in (self.live, self.standby, *self.retiring) if key is not None]

    @property
    def previous(self) -> str | None:
        """Where a rollback goes: to the standby, else to the other release that the file still knows."""
        others = [key for key in self.releases if key != self.live]
        return self.standby or (others[-1] if others else None)

    def deploying(self, release: Release, *, standby: bool = True) -> Reference:
        """The reference with `release` live; the one before stays as the way back, warm unless `standby` is false."""
        if release.key == self.live:
            return self if standby else replace(self, standby=None)
        kept = {self.live: self.releases[self.live]} if self.live else {}
        rejected = {mark: why for mark, why in self.rejected.items() if mark != release.mark}
        return Reference({**kept, release.key: release}, release.key, self.live if standby else None, rejected)

    def beside(self, standing: Mapping[str, Release]) -> Reference:
        """The reference while releases that stand already stay beside its own."""
        more = {key: release for key, release in standing.items() if key not in self.running}
        return replace(self, releases={**more, **self.releases}, retiring=tuple(more))

    def replacing(self, release: Release, other: Release) -> Reference:
        """The reference with another release in the place of one of its own."""
        name = {release.key: other.key}
        releases = {name.get(key, key): other if key == release.key else each for key, each in self.releases.items()}
        running = [key and name.get(key, key) for key in (self.live, self.standby)]
        return Reference(releases, running[0], running[1], self.rejected)

    def rejecting(self, release: Release, why: str) -> Reference:
        """The reference with a release marked as rolled back."""
        others = [(mark, said) for mark, said in self.rejected.items() if mark != release.mark]
        return replace(self, rejected=dict([*others, (release.mark, f"{release.key}: {why}")][-_MARKS:]))

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ValueError with what is wrong with the text."""
        found = read_json(text, _File)
        releases = {key: entry.release for key, entry in found.releases.items()}
        reference = cls(releases, found.live, found.standby, found.rejected)
        for key in reference.running:
            if key not in reference.releases:
                raise ValueError(f"{key} is not among its releases")
        if (
            reference.live is None
            and reference.standby is not None
            or reference.live
            and reference.live == reference.standby
        ):
            raise ValueError("a standby stands beside another release that is live")
        for key, release in reference.releases.items():
            if key != release.key:
                raise ValueError(
                    f"release {key} was edited under its name, which by its contents would be {release.key}"
                )
        return reference

    @classmethod
    def from_state(cls, data: Any) -> Reference:
        """The reference that Terraform keeps as data; empty when it keeps none yet."""
        try:
            return cls.parse(json.dumps(data)) if data else cls()
        except ValueError as error:
            hint = "Was the state changed by hand, or by a newer slipway?"
            raise PipelineError(f"The reference in the state is corrupt: {error}.", hint) from error

    def dump(self) -> str:
        """The file's text."""
        data = {
            "live": self.live,
            "releases": {k: r.dump() for k, r in self.releases.items()},
            "standby": self.standby,
            **({"rejected": dict(self.rejected)} if self.rejected else {}),
            **({"retiring": list(self.retiring)} if self.retiring else {}),
        }
        return json.dumps(data, indent=2) + "\n"


def refuse_rejected(reference: Reference, release: Release, force: str) -> None:
    """Raise PipelineError for a release that was rolled back, unless there is a reason to try it again."""
    if not force and (why := reference.rejected.get(release.mark)):
        raise PipelineError(
            f"This release was rolled back before: {why}.",
            'Deploy another version or setting, or pass --force "why" to make this one live again.',
        )


def read(path: Path) -> Reference:
    """The reference in a file; raises PipelineError when it is missing or corrupt."""
    try:
        return Reference.parse(path.read_text())
    except OSError as error:
        raise PipelineError(f"The reference file {path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise PipelineError(
            f"The reference file {path.name} is corrupt: {error}.",
            f"git diff {path.name} shows what changed; to change a release, deploy another: ./invoke deploy",
        ) from error


def write(path: Path, reference: Reference) -> None:
    """Replace the file in one step: a reader sees the old text or the new."""
    with drafted(path, reference) as put:
        put()


@contextmanager
def drafted(path: Path, reference: Reference) -> Iterator[Callable[[], None]]:
    """Write the file beside its place. What is yielded puts it there, for which a full disk has room.

    Raises PipelineError when it cannot be written.
    """
    draft = path.with_suffix(".new")
    try:
        with in_a_sentence():
            draft.write_text(reference.dump())
        yield lambda: os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def next_user(reference: Reference) -> str:
    """A database user that no known release has: the number after the highest."""
    numbers = [user_number(release.database_user) or 0 for release in reference.releases.values()]
    return database_user(max(numbers, default=0) + 1)


def check_config(config: Mapping[str, str], fixed: Collection[str] = ()) -> None:
    """Raise PipelineError for what cannot be a variable of the app's environment.

    ``fixed`` are those that slipway.toml gives every release.
    """
    for name, value in config.items():
        if not re.fullmatch(VARIABLE, name):
            raise PipelineError(
                f"{name!r} cannot be the name of a setting.",
                "Capitals, digits and underscores, beginning with a letter, 100 at most, such as APP_MESSAGE.",
            )
        if name in OURS:
            raise PipelineError(f"{name} is not yours to set: the pipeline sets it for each release.")
        if name in SYSTEMD:
            raise PipelineError(f"{name} is not yours to set: systemd tells the app by it what it has to know.")
        if name in fixed:
            raise PipelineError(
                f"{name} is not yours to set: slipway.toml gives it to every release.", "Look under [app.settings]."
            )
        boot.refuse_unfit(f"The value of {name}", value)
    boot.refuse_too_long(config)


def url(reference: Reference, address: str | None) -> str:
    """Where the live release is met, with the environment's floating IP."""
    number = reference.releases[reference.live].contract.public_port if reference.live else contract.FRONT_PORT
    return f"http://{address}/" if number == 80 else f"http://{address}:{number}/"


def template_digest(root: Path) -> str:
    """The digest of today's cloud-init template (SHA-256)."""
    template = files.home(root, "provisioning") / "provisioning" / CLOUD_INIT
    return hashlib.sha256(template.read_bytes()).hexdigest()


def check_template(root: Path, release: Release) -> None:
    """Raise PipelineError when a new droplet of a release would boot with another template than the release names."""
    if release.template != template_digest(root):
        raise PipelineError(
            f"Release {release.key} was made with another cloud-init template than there is now.",
            f"Make a release with today's: ./invoke deploy --version {release.version}",
        )
