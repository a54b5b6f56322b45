"""The second witness: what a droplet says of itself over SSH. What is seen from here alone moves no traffic.

A silence at the public address has three causes: the app, the address, and the path of the machine that looks. Two more
looks tell them apart: the app on the droplet's own loopback, and the droplet's own address from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from pipeline import cutover, reference
from pipeline.app_client import AppClient
from pipeline.clock import SYSTEM, Clock
from pipeline.cutover import Latency
from pipeline.errors import PipelineError
from pipeline.prober import Prober
from pipeline.reference import Release
from pipeline.session import Session
from pipeline.tools import ssh

LOOKS = 2
PROBE_S = 3.0
"""How long the app is asked on its loopback before that is compared with what was seen from here."""
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
            with self._loopback() as port:
                app = AppClient("127.0.0.1", port)
                fine = app.answers_as(self.release, LOOKS, self._clock) and app.is_ready()
                return Word.FINE if fine else Word.UNWELL
        except PipelineError:
            return Word.SILENT

    def restarts(self) -> int | None:
        """How often systemd has started the app again; None when the droplet does not tell."""
        try:
            with self._connected() as client:
                said = ssh.execute(client, _RESTARTS, timeout=_COMMAND_S)
        except PipelineError:
            return None
        return int(said.output) if said.status == 0 and said.output.strip().isdecimal() else None

    def against(self, before: Latency) -> str | None:
        """What is wrong with the app on its loopback, next to the answers of ``before``.

        Empty when nothing is, None when the droplet cannot be reached.
        """
        if (word := self.word()) is not Word.FINE:
            return None if word is Word.SILENT else word.value
        try:
            with self._loopback() as port, Prober("127.0.0.1", port) as prober:
                self._clock.sleep(PROBE_S)
                return cutover.trouble(before, prober.samples)
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

    @contextmanager
    def _loopback(self) -> Iterator[int]:
        """A port of this machine behind which the droplet's own loopback is."""
        with (
            self._connected() as client,
            ssh.tunnel(client, "127.0.0.1", reference.port(self.release.config)) as port,
        ):
            yield port


def suspects_path(witness: Witness, public: str) -> bool:
    """Whether this machine's own path is why nothing answers at the public address.

    It is when the app answers on its loopback, and nothing answers from here, be it at the address or at the droplet.
    """
    silent = AppClient.of(witness.release, public).is_silent
    return silent() and not witness.is_met_from_here() and witness.word() is Word.FINE
