"""The lock of a state, as Terraform tells of it: who has it, and whether that one still lives.

A state on this machine is locked by the kernel, which takes the lock from whoever dies. A backend's lock outlives its
owner.
"""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import PipelineError

_FIELD = re.compile(r"^\s*(ID|Who|Created|Operation):\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class StateLock:
    """What Terraform says of it: ``who`` is user@host, ``created`` a time as Go prints it."""

    id: str
    who: str
    created: str
    operation: str

    def is_dead_here(self, folder: Path) -> bool:
        """Whether it was taken by this user of this machine, where no Terraform works in the folder any more."""
        return self.who == f"{getpass.getuser()}@{os.uname().nodename}" and not _works_in(folder)

    def explained(self, name: str) -> PipelineError:
        """The error that says who has it, and how it is taken away."""
        return PipelineError(
            f"The state is locked by {self.who or 'somebody'} since {self.created or 'some time'} ({self.operation}).",
            f'Try again when that has ended. If it is dead: eval "$(./invoke env)", then {name} force-unlock {self.id}',
        )


def found(text: str) -> StateLock | None:
    """The lock of which an error tells; None for another error."""
    fields = dict(_FIELD.findall(text)) if "Lock Info:" in text else {}
    if not fields.get("ID"):
        return None
    operation = fields.get("Operation", "").removeprefix("OperationType").lower()
    return StateLock(fields["ID"], fields.get("Who", ""), fields.get("Created", ""), operation)


def _works_in(folder: Path) -> bool:
    for entry in os.scandir("/proc"):
        try:
            name = os.readlink(f"{entry.path}/exe") if entry.name.isdecimal() else ""
            if Path(name).name in {"tofu", "terraform"} and os.readlink(f"{entry.path}/cwd") == str(folder.resolve()):
                return True
        except OSError:
            continue
    return False
