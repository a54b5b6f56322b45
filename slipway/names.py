"""Every name, tag and ref that slipway gives to something: spelt here, read here, and nowhere else.

One account holds many projects, and each holds many environments. So a project's name is part of every name, and a
thing belongs to whoever its tags name. A name alone can be read in two ways (`shop` and `eu-v1`, `shop-eu` and `v1`):
it decides only where a thing has no tags yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slipway.errors import PipelineError

ALL = "slipway"
"""The tag of everything that slipway makes, and the beginning of its other tags, refs and keys."""
BUILD = f"{ALL}-build"
"""The tag of every build droplet."""
LONGEST_VERSION = 27
DIGEST_LENGTH = 12
"""Digits of an image's digest."""
RELEASE_DIGEST_LENGTH = 8
"""Digits at the end of a release's key."""
_LONGEST_MEMBER = len("-99")
_HOSTNAME = 63
"""Characters of a hostname (RFC 1123), and of a cluster's name."""
SLUG = r"[a-z](?:-?[a-z0-9])*"
_RUN, _LOCK = f"{ALL}-run", f"{ALL}-lock"
_LOCK_FIELD = 40
"""Characters of each free text in a lock's name: the whole stays below 255."""


def is_slug(text: str) -> bool:
    """Whether a text can be a project's or an environment's name: small letters, digits and single dashes."""
    return re.fullmatch(SLUG, text) is not None


@dataclass(frozen=True)
class ProjectNames:
    """The names of what belongs to a project as a whole: its images, and the bakes that make them."""

    project: str

    @property
    def project_tag(self) -> str:
        """The tag of everything that belongs to the project."""
        return f"{ALL}:{self.project}"

    @property
    def shared_tags(self) -> list[str]:
        """The tags of what all environments of the project share. The narrower one comes first, and is given first."""
        return [self.project_tag, ALL]

    def image(self, version: str, digest: str) -> str:
        """An image's name."""
        return f"{self.project}-{version}-{digest}"

    def version(self, image: str, tags: Sequence[str]) -> str | None:
        """The version in an image's name; None for an image that is not the project's.

        An image gets its tags when it is finished. Until then its name alone tells whose it is.
        """
        if ALL in tags and self.project_tag not in tags:
            return None
        match = re.fullmatch(rf"{self.project}-(.+)-[0-9a-f]{{{DIGEST_LENGTH}}}", image)
        return match[1] if match else None

    def is_claimed(self, image: str, tags: Iterable[str]) -> bool:
        """Whether an image's name may also be that of a project whose tag is among an account's tags."""
        others = {tag.split(":")[1] for tag in tags if tag.startswith(f"{ALL}:")} - {self.project}
        return any(ProjectNames(other).version(image, ()) for other in others)

    def build_droplet(self, image: str) -> str:
        """The name of the droplet in which an image is baked."""
        return f"bake-{image}"

    def run(self, id: str) -> str:
        """The name of a bake's key, and the tag of its droplet."""
        return f"{_RUN}:{self.project}:{id}"

    def run_of(self, name: str) -> str | None:
        """The id of the bake whose key or tag has a name; None for what is not of a bake of the project."""
        prefix, _, rest = name.partition(":")
        project, _, id = rest.partition(":")
        return id if (prefix, project) == (_RUN, self.project) and id else None

    def build_tags(self, id: str) -> list[str]:
        """The tags of the droplet of a bake."""
        return [*self.shared_tags, BUILD, self.run(id)]


@dataclass(frozen=True)
class Names(ProjectNames):
    """The names of one environment of a project. Raises PipelineError when one of them would be too long."""

    environment: str

    def __post_init__(self) -> None:
        key = "v" * LONGEST_VERSION + "-" + "0" * RELEASE_DIGEST_LENGTH
        image = self.image("v" * LONGEST_VERSION, "0" * DIGEST_LENGTH)
        longest = {
            "a droplet's name": len(self.droplet(key)) + _LONGEST_MEMBER,
            "a build droplet's name": len(self.build_droplet(image)),
            "the name of a drill's cluster": len(self.drill("0" * 6, "0" * 4)),
        }
        for what, length in longest.items():
            if length > _HOSTNAME:
                raise PipelineError(
                    f"The names of the project {self.project} and its environment {self.environment} are too long:"
                    f" {what} may have {_HOSTNAME} characters, and with them it needs up to {length}.",
                    f"Shorten them by {length - _HOSTNAME}: slipway.toml has the name of the project in [project],"
                    " and an environment is called as its file in terraform/environments.",
                )

    @property
    def prefix(self) -> str:
        """What the names of the environment begin with, and the name of what it has once: its cluster and its key."""
        return f"{self.project}-{self.environment}"

    @property
    def tag(self) -> str:
        """The tag of everything that belongs to the environment, and of nothing else."""
        return f"{self.project_tag}:{self.environment}"

    @property
    def tags(self) -> list[str]:
        """All tags of a thing of the environment."""
        return [self.tag, *self.shared_tags]

    @property
    def cluster(self) -> str:
        """The name of the environment's database cluster."""
        return self.prefix

    @property
    def deploy_key(self) -> str:
        """The name of the environment's deploy key in the account."""
        return self.prefix

    @property
    def for_terraform(self) -> Mapping[str, object]:
        """The names from which the root modules make theirs."""
        return {"prefix": self.prefix, "tag": self.tag, "tags": self.tags}

    def droplet(self, key: str) -> str:
        """The name of a release's droplet. terraform/main.tf spells the same."""
        return f"{self.prefix}-{key}"

    def release(self, droplet: str) -> str:
        """The key of the release that a droplet of the environment is of."""
        return droplet.removeprefix(f"{self.prefix}-")

    def drill(self, checkout: str, id: str) -> str:
        """The name of a drill's cluster, of a checkout (six digits) and with four digits of its own."""
        return f"{self.prefix}-drill-{checkout}-{id}"

    def is_drill(self, cluster: str, tags: Sequence[str], checkout: str = "[0-9a-f]{6}") -> bool:
        """Whether a cluster is a drill's of the environment, of one checkout or of any."""
        return self.tag in tags and re.fullmatch(self.drill(checkout, "[0-9a-f]{4}"), cluster) is not None

    @property
    def ledger(self) -> str:
        """The ref in git that keeps the environment's runs."""
        return f"refs/{ALL}/{self.project}/{self.environment}/ledger"

    @property
    def lock(self) -> str:
        """What the environment's lock is called, beside who holds it."""
        return f"{self.project}:{self.environment}"


def database_user(number: int) -> str:
    """The name of a database user of an environment's cluster, where no vault gives them."""
    return f"app_{number}"


def user_number(name: str) -> int | None:
    """The number in the name of a database user that slipway made; None for another one's."""
    match = re.fullmatch(r"app_([0-9]+)", name)
    return int(match[1]) if match else None


def lock_name(lock: str, texts: Sequence[str], numbers: Sequence[int]) -> str:
    """The name of the key that is a lock: which one, and what its holder says of itself."""
    return ":".join([_LOCK, lock, *(plain(text) for text in texts), *map(str, numbers)])


def parse_lock(name: str, texts: int, numbers: int) -> tuple[str, list[str], list[int]] | None:
    """Which lock a key is, with so many texts and numbers of its holder; None for a key that is no lock."""
    prefix, *fields = name.split(":")
    said, counted = fields[2 : 2 + texts], fields[2 + texts :]
    if (
        prefix != _LOCK
        or len(fields) != 2 + texts + numbers
        or not all(re.fullmatch(r"[0-9]{1,18}", field) for field in counted)
    ):
        return None
    return ":".join(fields[:2]), said, [int(field) for field in counted]


def plain(text: str) -> str:
    """A text as it can stand in a lock's name."""
    return re.sub(r"[^A-Za-z0-9._@+ -]", "-", text)[:_LOCK_FIELD].strip()
