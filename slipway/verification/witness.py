"""The second witness: what a droplet says of itself over SSH. What is seen from here alone moves no traffic.

A silence at the public address has three causes: the app, the address, and the path of the machine that looks. Two more
looks tell them apart: the app on the droplet's own loopback, and the droplet's own address from here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from slipway.clock import SYSTEM, Clock
from slipway.environment.outputs import Group
from slipway.environment.reference import Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import ssh
from slipway.verification.app_client import OK, SERVER_ERROR, AppClient, release_in
from slipway.verification.sample import Sample
from slipway.verification.verified import Proof, Verified

LOOKS = 2
PROBES, PROBE_S = 60, 10.0
"""Requests on the loopback that are compared with what was seen from here, and the time for all of them."""
_CURL = "curl --silent --noproxy '*' --max-time 2"
_CONNECT_S = 5.0
_COMMAND_S = 10.0
_RESTARTS = "systemctl show app.service --property NRestarts --value"


class Word(Enum):
    """What a droplet says of its app."""

    FINE = "it answers on its own loopback"
    UNWELL = "it does not answer well on its own loopback"
    SILENT = "the droplet cannot be reached over SSH"


class Witness:
    """The droplet of a release. Whatever it is asked, it answers within seconds, or is silent."""

    def __init__(self, session: Session, release: Release, address: str, clock: Clock = SYSTEM) -> None:
        self.release, self.address = release, address
        self._session, self._clock = session, clock

    def word(self) -> Word:
        """Whether the app answers as this release on its loopback, and says that it is ready."""
        try:
            with self._connected() as client:
                for attempt in range(LOOKS):
                    if attempt:
                        self._clock.sleep(1)
                    if self._release(client) == self.release.key and self._is_ready(client):
                        return Word.FINE
                return Word.UNWELL
        except PipelineError:
            return Word.SILENT

    def vouches_for(self, group: Group) -> Verified | None:
        """The group of this droplet as a verified one, when the droplet says that its app is well."""
        is_of = self.address in {member.address for member in group.members}
        return Verified(group, Proof.OWN_WORD) if is_of and self.word() is Word.FINE else None

    def restarts(self) -> int | None:
        """How often systemd has started the app again; None when the droplet does not tell."""
        try:
            with self._connected() as client:
                said = ssh.execute(client, _RESTARTS, timeout=_COMMAND_S)
        except PipelineError:
            return None
        return int(said.output) if said.status == 0 and said.output.strip().isdecimal() else None

    def against(self, trouble: Callable[[Sequence[Sample]], str]) -> str | None:
        """What is wrong with the app on its loopback, as ``trouble`` says of its answers there.

        Empty when nothing is, None when the droplet cannot be reached.
        """
        if (word := self.word()) is not Word.FINE:
            return None if word is Word.SILENT else word.value
        try:
            with self._connected() as client:
                return trouble(self._probe(client))
        except PipelineError:
            return None

    def is_met_from_here(self) -> bool:
        """Whether the release answers from here at the droplet's own address."""
        return AppClient.of(self.release, self.address).answers_as(self.release, LOOKS, self._clock)

    @contextmanager
    def _connected(self) -> Iterator[ssh.Client]:
        key = self._session.key
        host_key = key.host_key(self.release.key).public
        with ssh.connect(self.address, key.identity, host_key, timeout=_CONNECT_S) as client:
            yield client

    def _url(self, path: str) -> str:
        """Where users arrive, on the droplet's loopback. Forwarding is closed on a droplet."""
        return f"http://127.0.0.1:{self.release.contract.public_port}{path}"

    def _release(self, client: ssh.Client) -> str:
        """The key of the release that answers there; empty when none does."""
        said = f"{_CURL} --include {shlex.quote(self._url(self.release.contract.probe))} | head -c 65536"
        return _release_in(ssh.execute(client, said, timeout=_COMMAND_S).output)

    def _is_ready(self, client: ssh.Client) -> bool:
        if not (path := self.release.contract.health):
            return True
        said = f"{_CURL} --output /dev/null --write-out '%{{http_code}}' {shlex.quote(self._url(path))}"
        return ssh.execute(client, said, timeout=_COMMAND_S).output == str(OK)

    def _probe(self, client: ssh.Client) -> list[Sample]:
        """Some requests on the loopback, one after the other, as the prober would tell them."""
        url = f"{self._url(self.release.contract.probe)}?[1-{PROBES}]"
        told = f"--output /dev/null --write-out '%{{http_code}} %{{time_total}}\\n' {shlex.quote(url)}"
        said = ssh.execute(client, f"timeout {PROBE_S:.0f} {_CURL} {told}", timeout=PROBE_S + _COMMAND_S).output
        answers = re.findall(r"^([0-9]{3}) ([0-9.]+)$", said, re.MULTILINE)
        samples = [
            Sample(number / 20, float(seconds) * 1000, self.release.key if OK <= int(status) < SERVER_ERROR else "")
            for number, (status, seconds) in enumerate(answers)
        ]
        return [*samples, *(Sample(number / 20, PROBE_S * 1000, "") for number in range(len(answers), PROBES))]


def _release_in(text: str) -> str:
    """Which release gave an answer, as curl tells it: head and body."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status = re.match(r"HTTP/[0-9.]+ ([0-9]{3})", head)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines())}
    return release_in(int(status[1]) if status else SERVER_ERROR, headers, body.encode())


def suspects_path(witness: Witness, public: str) -> bool:
    """Whether this machine's own path is why nothing answers at the public address.

    It is when the app answers on its loopback, and nothing answers from here, be it at the address or at the droplet.
    """
    silent = AppClient.of(witness.release, public).is_silent
    return silent() and not witness.is_met_from_here() and witness.word() is Word.FINE
