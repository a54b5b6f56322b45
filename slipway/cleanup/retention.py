"""Which images may go: not the newest ones, and none that anything refers to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from slipway.config import ENVIRONMENTS
from slipway.errors import PipelineError
from slipway.image.image import version_of
from slipway.names import ProjectNames
from slipway.tools.digitalocean import Droplet, Image
from slipway.tools.git.git import Git

REFERENCE = ".tfvars.json"


def beyond(
    names: ProjectNames, images: Iterable[Image], keep: int, named: Collection[str], droplets: Iterable[Droplet]
) -> list[Image]:
    """The project's images that are not among the ``keep`` newest, and neither ``named`` nor in use by a droplet."""
    ours = [image for image in images if version_of(names, image)]
    ours.sort(key=lambda image: (image.created_at, image.id), reverse=True)
    used = {droplet.image for droplet in droplets}
    return [image for image in ours[keep:] if image.name not in named and image.id not in used]


def named(git: Git, root: Path, keep: int) -> frozenset[str]:
    """The images that git's reference files name, whatever the environment: now, and in the last ``keep`` releases.

    Now is the work tree and the tip of every branch and tag. Raises PipelineError in a clone that lacks history.
    """
    if git.shallow:
        raise PipelineError(
            "This clone is shallow, so that git cannot say which images were released.", "git fetch --unshallow --tags"
        )
    files = sorted((root / ENVIRONMENTS).glob(f"*{REFERENCE}"))
    return images_in([git.said(ENVIRONMENTS, REFERENCE, keep), *(file.read_text(errors="replace") for file in files)])


def images_in(texts: Sequence[str]) -> frozenset[str]:
    """The names of images in texts, be they whole or not: what cannot be read must not lose its images."""
    return frozenset(name for text in texts for name in re.findall(r'"image":\s*"([^"]+)"', text))
