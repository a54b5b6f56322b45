"""How the app of an image is asked. The image carries it, and so does each release of it, whatever slipway.toml says by
now: a rollback to an older image asks that one as it answers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from slipway.data import Matching, Table, Within, checked
from slipway.errors import PipelineError

RELEASE_HEADER = "slipway-release"
"""What says in each answer of an app which release it is of. The front adds it; without one the app itself does."""
FRONT_PORT = 80
# Two of them and the rest fit into a tag.
PATH = r"/[A-Za-z0-9._~/-]{0,47}"

Path = Annotated[str, Matching(f"({PATH})?", "a path such as /healthz, 48 characters at most")]
Port = Annotated[int, Within(1, 65535, "a port")]


@dataclass(frozen=True, kw_only=True)
class Contract(Table):
    """What an image promises. ``port`` is the app's own; ``health`` and ``version`` are paths, empty without one."""

    front: bool
    port: Port
    health: Path = ""
    version: Path = ""

    @property
    def public_port(self) -> int:
        """Where users arrive."""
        return FRONT_PORT if self.front else self.port

    @property
    def probe(self) -> str:
        """The path that tells which release answers; with a front any does, and these cost the app the least."""
        return self.version or self.health or "/"

    @property
    def label(self) -> str:
        """The same as a part of a tag, which has letters and digits, and of which the case does not count."""
        said = {name: value for name, value in asdict(self).items() if value != ""}
        text = json.dumps(said, separators=(",", ":"), sort_keys=True)
        return base64.b32encode(text.encode()).decode().rstrip("=").lower()

    @classmethod
    def from_label(cls, label: str) -> Contract | None:
        """What an image's label says; None for an image that is older than contracts.

        Raises PipelineError for a label that slipway did not write.
        """
        if not label:
            return None
        try:
            found: Any = json.loads(base64.b32decode(label.upper() + "=" * (-len(label) % 8)))
            return checked(cls, found)
        except ValueError as error:
            raise PipelineError(
                f"The image's tag contract:{label} says nothing that slipway knows: {error}.",
                "Was the image made by a newer slipway, or its tags edited? Bake the version anew under another name.",
            ) from error


def earlier(config: Mapping[str, str]) -> Contract:
    """What every image promised before there were contracts; ``config`` are the release's settings."""
    said = config.get("PORT", "")
    port = int(said) if said.isdecimal() and 0 < int(said) < 1 << 16 else FRONT_PORT
    return Contract(front=False, port=port, health="/health/ready", version="/version")
