"""What a user does while things go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BUILD, EXPAND, SOAK = "build", "migrate", "soak"
RELEASES = ("deploy", "set", EXPAND, "rotate", "rollback", "retire", "again")

CREATE, MIGRATE, VERIFY = "create the droplet of", "migrate the schema for", "verify"
MOVE, CONFIRM, REMOVE = "move the floating IP", "confirm through", "remove the droplet of"
LOOK_AFTER = "look after"

_NEW = {"": 6.0, CREATE: 2.5, MIGRATE: 1.0, VERIFY: 2.5, MOVE: 2.5, CONFIRM: 1.0, REMOVE: 3.0}
_BAKE = {"": 4.0, "Creating droplet": 5.0, "Waiting for SSH": 4.0, "Provisioning": 3.0, "shutting down": 4.0}


@dataclass(frozen=True)
class Operation:
    """A call of `./invoke`. ``steps`` maps what it says when a step begins to how long that may take, in seconds.

    `{other}` stands for the version that is not live, or for one that brings a migration; `{number}` for the round.
    """

    name: str
    words: str
    steps: Mapping[str, float] = field(default_factory=lambda: _NEW)
    weight: int = 2

    def arguments(self, other: str, number: int) -> list[str]:
        """The words after `./invoke`."""
        return [word.format(other=other, number=number) for word in self.words.split()]


OPERATIONS = [
    Operation(BUILD, "build --version c{number}", {**_BAKE, "Creating snapshot": 5.0}),
    Operation("deploy", "deploy --version {other} --set APP_MESSAGE=of-{number} --force chaos --commit", weight=3),
    Operation("set", "deploy --set APP_MESSAGE=round-{number} --force chaos --commit", weight=3),
    Operation(
        EXPAND,
        "deploy --version {other} --set APP_MESSAGE=of-{number} --force chaos --commit",
        {MIGRATE: 4.0},
        weight=3,
    ),
    Operation(
        SOAK,
        "deploy --version {other} --set APP_MESSAGE=of-{number} --force chaos --soak 25s --commit",
        {LOOK_AFTER: 2.0},
        weight=3,
    ),
    Operation("rotate", "rotate database --commit"),
    Operation("rollback", "rollback --force chaos --commit", {"": 4.0, MOVE: 2.5, CONFIRM: 1.0}, weight=4),
    Operation("retire", "deploy --no-standby --commit", {"": 4.0, REMOVE: 3.0}, weight=1),
    Operation("again", "deploy --commit", {"": 6.0}, weight=1),
]
