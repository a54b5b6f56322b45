"""What differs between two releases, or two versions: in the image, in what comes at boot, in the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from slipway.environment import reference
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.image import image, manifest
from slipway.image.manifest import Entry, Manifest
from slipway.text import line

T = TypeVar("T")
SHOWN = 40
"""Lines of one kind that a person is shown; --json has them all."""


@dataclass(frozen=True)
class Side:
    """One of the two. ``release`` is None of a version that was never released here: then its image alone is known."""

    name: str
    image: str
    release: Release | None


@dataclass(frozen=True)
class Changes:
    """Names that one side lacks, and those whose values differ: old and new, in this order."""

    added: Mapping[str, Any]
    removed: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True)
class Difference:
    """Everything that differs. None stands for what cannot be compared because one side does not tell it."""

    before: Side
    after: Side
    files: Changes
    packages: Changes
    units: Changes
    known_settings: Changes | None
    schema: Changes | None
    config: Changes | None
    secrets: Mapping[str, str] | None
    """By name: added, removed, changed or same; by their fingerprints, for nobody has the values any more."""
    boot: Changes | None
    """Size, cloud-init template and database user."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    def __bool__(self) -> bool:
        secrets = {name for name, state in (self.secrets or {}).items() if state != "same"}
        parts = (self.files, self.packages, self.units, self.known_settings, self.schema, self.config, self.boot)
        return bool(secrets or any(parts))


def diff(session: Session, before: str, after: str) -> Difference:
    """Compare two of them; raises PipelineError for what is unknown, and where an image's contents cannot be had."""
    sides = [find(session, name) for name in (before, after)]
    old, new = (manifest.of(session, side.image) for side in sides)
    return compare(sides[0], sides[1], old, new)


def find(session: Session, name: str) -> Side:
    """The release that a key, a role (live, standby) or a version names, else the image of a version or its own name.

    Of the releases of a version the newest counts; those that left the reference file are found in its history.
    """
    path = session.settings.reference_path
    current = reference.read(path)
    asked = {"live": current.live, "standby": current.standby}.get(name, name)
    if asked is None:
        raise PipelineError(f"There is no {name} release.", "./invoke status")
    for known in (current, *_past(session)):
        release = _release(known, asked)
        if release is not None:
            return Side(release.key, release.image, release)
    images, names = session.api.images(), session.settings.names
    exact = next((each for each in images if each.name == asked and image.version_of(names, each)), None)
    if exact is None and not any(image.version_of(names, each) == asked for each in images):
        raise PipelineError(f"There is no release, version or image {asked}.", "./invoke releases")
    found = exact or image.find(names, images, asked)
    return Side(asked, found.name, None)


def _past(session: Session) -> Iterator[Reference]:
    for text in session.git.past(session.settings.reference_path):
        try:
            yield Reference.parse(text)
        except ValueError as error:
            session.progress.warn(f"a reference file of before is left out: {error}")


def _release(known: Reference, asked: str) -> Release | None:
    if asked in known.releases:
        return known.releases[asked]
    order = [known.live, known.standby, *known.releases]
    of_version = [known.releases[key] for key in order if key and known.releases[key].version == asked]
    return of_version[0] if of_version else None


def compare(before: Side, after: Side, old: Manifest, new: Manifest) -> Difference:
    """What differs between two sides and their images' manifests."""
    releases = (before.release, after.release)
    released = None if None in releases else [release for release in releases if release]
    return Difference(
        before=before,
        after=after,
        files=changes(old.files, new.files),
        packages=changes(old.packages, new.packages),
        units=changes(old.units, new.units),
        known_settings=_told(old.settings, new.settings, lambda name: (name, "")),
        schema=_told(
            old.migrations, new.migrations, lambda step: (f"{step['version']} {step['name']}", step["sha256"])
        ),
        config=changes(released[0].config, released[1].config) if released else None,
        secrets=_secrets(*released) if released else None,
        boot=changes(_boot(released[0]), _boot(released[1])) if released else None,
    )


def changes(old: Mapping[str, T], new: Mapping[str, T]) -> Changes:
    """What is in one map and not in the other, and what has another value there."""
    return Changes(
        added={name: new[name] for name in sorted(new.keys() - old.keys())},
        removed={name: old[name] for name in sorted(old.keys() - new.keys())},
        changed={name: (old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]},
    )


def _told(old: Sequence[T] | None, new: Sequence[T] | None, pair: Any) -> Changes | None:
    return None if old is None or new is None else changes(dict(map(pair, old)), dict(map(pair, new)))


def _secrets(old: Release, new: Release) -> dict[str, str]:
    before, after = old.secrets, new.secrets
    states = {}
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            states[name] = "added" if name in after else "removed"
        else:
            states[name] = "same" if before[name] == after[name] else "changed"
    return states


def _boot(release: Release) -> dict[str, str]:
    facts = {"size": release.size, "cloud-init template": release.template[:12], "database user": release.database_user}
    return {name: value for name, value in facts.items() if value}


def render(found: Difference) -> str:
    """The differences as a person reads them."""
    head = f"{found.before.name} → {found.after.name}"
    if found.before.image == found.after.image:
        head += f", both of {found.before.image}"
    lines = [head]
    for title, part in (
        ("files", found.files),
        ("packages", found.packages),
        ("units", found.units),
        ("settings that the app knows", found.known_settings),
        ("schema", found.schema),
        ("config", found.config),
        ("droplet", found.boot),
    ):
        if part:
            lines += [f"{title}:", *_limited([*map(line, _lines(part))])]
    if found.secrets:
        lines += ["secrets:", *(f"  {_SIGNS[state]} {name} ({state})" for name, state in found.secrets.items())]
    lines += [f"not compared: {what}" for what in _unknown(found)]
    return "\n".join(lines if found else [*lines, "Nothing differs."])


_SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": "="}


def _lines(part: Changes) -> Iterator[str]:
    yield from (f"  + {name}{_value(value)}" for name, value in part.added.items())
    yield from (f"  - {name}{_value(value)}" for name, value in part.removed.items())
    for name, (old, new) in part.changed.items():
        yield f"  ~ {name}: {_entries(old, new) if isinstance(old, Entry) else f'{old} → {new}'}"


def _value(value: Any) -> str:
    if isinstance(value, Entry):
        return f" ({value.mode} {value.owner}, {value.size} bytes)"
    return f" {line(str(value))}" if value and len(str(value)) < 64 else ""


def _entries(old: Entry, new: Entry) -> str:
    said = [f"{getattr(old, name)} → {getattr(new, name)}" for name in ("mode", "owner") if differs(old, new, name)]
    if differs(old, new, "content"):
        said.append(f"contents, {old.size} → {new.size} bytes" if old.size != new.size else "contents")
    return "; ".join(said)


def differs(old: Entry, new: Entry, name: str) -> bool:
    """Whether two entries differ in a field."""
    return bool(getattr(old, name) != getattr(new, name))


def _limited(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return lines if rest <= 0 else [*lines[:SHOWN], f"  … and {rest} more: --json has them all"]


def _unknown(found: Difference) -> Iterator[str]:
    for side in (found.before, found.after):
        if side.release is None:
            yield f"config, secrets and size, for {side.name} was never released here"
    if found.schema is None:
        yield "the schema, which one of the apps does not tell"
