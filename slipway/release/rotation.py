"""Another key for the states: they are written anew, and then the old key opens nothing any more."""

from __future__ import annotations

import os

from slipway.environment import state_key
from slipway.environment.session import Session
from slipway.environment.state_key import StateKey
from slipway.errors import PipelineError
from slipway.runs import run
from slipway.tools.files import write_private
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import UnreadableState


def rotate_state(session: Session) -> str:
    """Encrypt both states under a new key; what was interrupted is finished. Returns a sentence about the key.

    Raises PipelineError when the states cannot be read, or are plain because they were asked to be.
    """
    if session.settings.project.state.encryption == "off":
        raise PipelineError('The state is plain: [state] encryption is "off" in slipway.toml.')
    session.refuse_an_engine_that_cannot_encrypt()
    with run.alone(session, "rotate state"):
        key = StateKey(session.settings.work, session.environ)
        if key.given:
            return _to_the_given(session, key, key.given)
        old = key.stored()
        if not key.coming.exists():
            write_private(key.coming, f"{state_key.new()}\n")
        _write_anew(session, key.stored(key.coming) or "", old)
        key.coming.replace(key.path)
        return f"The states are encrypted with a new key, in {os.path.relpath(key.path)}: give it to whoever deploys."


def _to_the_given(session: Session, key: StateKey, new: str) -> str:
    old = key.before or key.stored()
    if old is None:
        raise PipelineError(
            f"The new key is in {state_key.GIVEN}, and the old one is nowhere.",
            f"export {state_key.BEFORE}=the old key, {state_key.GIVEN}=the new one: openssl rand -hex 32",
        )
    _write_anew(session, new, old)
    return f"The states are encrypted with the key in {state_key.GIVEN}; the one before opens nothing any more."


def _write_anew(session: Session, new: str, old: str | None) -> None:
    """Whichever way each state is written: as before, already under the new key, or plain."""
    for root in session.roots:
        if not root.has_state:
            continue
        try:
            session.engine(root, {}, Encryption(new).after(old))
        except UnreadableState:
            session.engine(root, {}, Encryption(new).after(None))
