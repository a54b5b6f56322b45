"""The account's SSH keys, asked for plainly: each answer's status matters."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Annotated

import requests
from pydantic import Field

from slipway.config import Cloud
from slipway.data import Malformed, OpenTable, read_json
from slipway.errors import PipelineError
from slipway.tools.rest import Patience, Rest

_PATIENCE = Patience(total=20, attempt=10)


@dataclass(frozen=True)
class Key:
    """A key as the account has it."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class _Held(OpenTable):
    id: Annotated[int, Field(ge=1)]
    name: str


@dataclass(frozen=True, kw_only=True)
class _Answer(OpenTable):
    ssh_key: _Held


@dataclass(frozen=True, kw_only=True)
class _Refusal(OpenTable):
    message: str = ""


class Account:
    """Every method raises PipelineError when the cloud gives no answer that can be used."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._rest = Rest(cloud, patience=_PATIENCE)

    def add_key(self, name: str, public_key: str) -> Key | None:
        """Add a key; None when the account has it already, under whatever name (422 "already in use")."""
        order = {"name": name, "public_key": public_key}
        answer = self._send("POST", "", order, repeatable=True)  # an account takes the same key but once
        if answer.status_code == 422 and "already in use" in answer.text:
            return None
        return self._key(answer)

    def key(self, which: int | str) -> Key | None:
        """A key by its id or fingerprint; None when there is none."""
        answer = self._send("GET", f"/{which}")
        return None if answer.status_code == 404 else self._key(answer)

    def rename_key(self, id: int, name: str) -> bool:
        """Give a key another name; False when it is gone."""
        answer = self._send("PUT", f"/{id}", {"name": name})
        return answer.status_code != 404 and bool(self._key(answer))

    def remove_key(self, id: int) -> bool:
        """Remove a key; False when it was gone already."""
        answer = self._send("DELETE", f"/{id}")
        if answer.status_code not in {204, 404}:
            self._key(answer)
        return answer.status_code == 204

    def _send(
        self, method: str, path: str, body: object = None, *, repeatable: bool | None = None
    ) -> requests.Response:
        return self._rest.send(method, f"account/keys{path}", body=body, repeatable=repeatable)

    def _key(self, answer: requests.Response) -> Key:
        try:
            if answer.ok:
                key = read_json(answer.content, _Answer).ssh_key
                return Key(key.id, key.name)
            said = read_json(answer.content, _Refusal).message or answer.reason
        except Malformed as error:
            said = str(error) if answer.ok else answer.reason
        raise PipelineError(f"{self._cloud.endpoint} refused a key of the account: {answer.status_code}, {said}.")


def fingerprint(public_key: str) -> str:
    """By what the API finds a key: the MD5 of its blob, with colons."""
    digest = hashlib.md5(base64.b64decode(public_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
