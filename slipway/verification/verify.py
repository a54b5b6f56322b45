"""droplet -> verified: looked at from outside as a user and over SSH as an auditor, before any traffic."""

from __future__ import annotations

import json
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipway.clock import SYSTEM, Clock
from slipway.config import Settings
from slipway.data import read_json
from slipway.environment import reference
from slipway.environment.keys import DeployKey
from slipway.environment.outputs import Group, Outputs
from slipway.environment.reference import Release, check_template
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import files as own_files
from slipway.tools.programs.process import Overdue, call
from slipway.tools.pytest import PYTEST
from slipway.verification import evidence, witness
from slipway.verification.app_client import AppClient
from slipway.verification.verified import Proof, Verified
from slipway.verification.witness import Witness

FROM_OUTSIDE = ("test_http.py",)
OF_THE_APP = "test_app.py"
"""From outside as well, where the tests are the project's own and it has one."""
FROM_INSIDE = ("test_release.py",)
LOOK_S = 60.0
"""Seconds to look at a droplet that is what it should be."""
_CONFIRMED = 15
"""Seconds that a release which passed has to answer at the public address: until then nobody may be answering there."""


@dataclass(frozen=True)
class Subject:
    """What is verified: a release where it is said to be.

    ``through_floating_ip`` means that the address is the public one, behind which only HTTP is asked.
    """

    release: Release
    address: str
    through_floating_ip: bool = False

    @property
    def port(self) -> int:
        """The port at which users should arrive."""
        return self.release.contract.public_port


@dataclass(frozen=True)
class Passed:
    """A release that passed where it was looked at, and the report that says so. Only `verify` makes one."""

    subject: Subject
    report: Path
    tests: int

    def of(self, group: Group) -> Verified:
        """The droplets as verified ones; raises ValueError when they are not where the release was looked at."""
        if [member.address for member in group.members] != [self.subject.address]:
            raise ValueError(f"{self.subject.address} was looked at, and not {group}")
        return Verified(group, Proof.TESTS)


def verify(session: Session, subject: Subject) -> Passed:
    """Run the testinfra files against a droplet, with the deadline of `slipway.toml`.

    Raises PipelineError when anything is not as released; it names the folder that holds the evidence. At the public
    address a silence counts only when the droplet itself does not deny it.
    """
    settings, key = session.settings, session.key
    kind = "public" if subject.through_floating_ip else "droplet"
    report = settings.work / "reports" / f"{subject.release.key}-{kind}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    with (
        session.progress.step(f"verify {subject.release.key} at {subject.address}"),
        tempfile.TemporaryDirectory(prefix="slipway-verify-") as folder,
    ):
        expect = Path(folder) / "expect.json"
        expect.write_text(json.dumps(expectations(subject)))
        asking, output = Path(folder) / "asking", ""
        try:
            result = call(
                [*_argv(settings, key, subject, expect, report), f"--asking={asking}"],
                cwd=own_files.home(settings.project.root, "tests/droplet"),
                seconds=_seconds(settings, subject),
            )
            if result.returncode == 0:
                return Passed(subject, report, _count(report))
            why, output = _failures(report), result.stdout + result.stderr
        except Overdue:
            why = f"it had no end after {_seconds(settings, subject):.0f} s, while it asked whether {_asked(asking)}"
        error = PipelineError(f"Release {subject.release.key} failed its verification: {why}.")
        if subject.through_floating_ip and _path_is_suspect(session, subject):
            session.progress.warn(
                f"{subject.release.key} does not answer from here, at {subject.address} or at its droplet, and the"
                " droplet says that it is fine and has the address: the path from this machine is suspect"
            )
            return Passed(subject, report, 0)
        asked = session.environ.get("SLIPWAY_EVIDENCE")
        if subject.through_floating_ip and asked:
            evidence.note(Path(asked), error)
            raise error
        kept = evidence.keep(session, subject.release, subject.address, error, output)
        raise evidence.failure(kept) or error


def _path_is_suspect(session: Session, subject: Subject) -> bool:
    """Whether it is this machine that cannot see a release, which has the address by the cloud's word and is fine."""
    if not AppClient.of(subject.release, subject.address).is_silent():
        return False
    carrying = session.api.floating_ip_target(subject.address)
    droplets = session.api.droplets(session.settings.tag)
    droplet = next((each for each in droplets if each.id == carrying), None)
    if droplet is None:
        return False
    return witness.suspects_path(Witness(session, subject.release, droplet.address), subject.address)


def answers(release: Release, address: str, times: int, clock: Clock = SYSTEM) -> bool:
    """Whether a release says at an address that it is there, within so many questions, once a second."""
    return AppClient.of(release, address).answers_as(release, times, clock)


def find_subject(
    session: Session, key: str | None, droplet: str | None, address: str | None, *, through_floating_ip: bool
) -> Subject:
    """What to verify: by default the live release at its own droplet.

    Raises PipelineError when there is no such release or droplet.
    """
    current = reference.read(session.settings.reference_path)
    outputs = session.outputs() if not address else Outputs()
    if droplet:
        key, address = _by_droplet(outputs, droplet)
    key = key or current.live
    if key is None:
        raise PipelineError("Nothing is live, so there is nothing to verify.", "./invoke build deploy --version v1")
    new = candidate(session.environ, key)
    if new and not through_floating_ip:
        check_template(session.settings.project.root, new)  # its droplet was just made of today's
    release = new or current.releases.get(key)
    if release is None:
        raise PipelineError(f"There is no release {key}.", f"Known: {', '.join(current.releases) or 'none'}.")
    group = outputs.group(key)
    found = address or (group.first.address if group else "")
    if not found:
        raise PipelineError(f"Release {key} has no droplet.", "./invoke status shows which have.")
    return Subject(release, found, through_floating_ip)


def _by_droplet(outputs: Outputs, wanted: str) -> tuple[str, str]:
    for key, droplet in outputs.members():
        if wanted in {str(droplet.id), droplet.name}:
            return key, droplet.address
    names = ", ".join(f"{droplet.name} ({droplet.id})" for _, droplet in outputs.members())
    raise PipelineError(f"No release runs on a droplet {wanted}.", f"There are: {names or 'none'}.")


def expectations(subject: Subject) -> dict[str, object]:
    """What the droplet should say of itself, as the tests read it."""
    release = subject.release
    return {
        **{name: value for name, value in asdict(release).items() if name in {"version", "commit", "image"}},
        "release": release.key,
        "contract": asdict(release.contract),
        "config": {**release.config, "APP_RELEASE": release.key},
        "database_user": release.database_user,
        "secrets": sorted(release.secrets),
        "templates": dict(release.templates),
    }


def _argv(settings: Settings, key: DeployKey, subject: Subject, expect: Path, report: Path) -> list[str]:
    home = own_files.home(settings.project.root, "tests/droplet")
    tests = home / "tests" / "droplet"
    files = FROM_OUTSIDE if subject.through_floating_ip else FROM_INSIDE + FROM_OUTSIDE
    if home == settings.project.root and (tests / OF_THE_APP).exists():
        files = (*files, OF_THE_APP)
    return [
        *(*PYTEST, f"--confcutdir={tests}"),
        *(str(tests / file) for file in files),
        f"--address={subject.address}",
        f"--identity={key.identity}",
        f"--host-key={key.host_key(subject.release.key).public}",
        f"--expect={expect}",
        f"--wait={_wait(settings, subject)}",
        f"--junitxml={report}",
    ]


def _wait(settings: Settings, subject: Subject) -> float:
    """Seconds that the droplet has to become what it should be."""
    wait = settings.project.verification.deadline
    return min(wait, _CONFIRMED) if subject.through_floating_ip else wait


def _seconds(settings: Settings, subject: Subject) -> float:
    """Seconds that the verification may take as a whole."""
    return _wait(settings, subject) + LOOK_S


def _asked(asking: Path) -> str:
    """The test that was running, read as a sentence."""
    try:
        return _sentence(asking.read_text().rpartition("::")[2])
    except OSError:
        return "the droplet can be reached"


def _sentence(test: str) -> str:
    return re.sub(r"^test_", "", test).replace("_", " ")


def _count(report: Path) -> int:
    return len(ElementTree.parse(report).findall(".//testcase"))


def _failures(report: Path) -> str:
    """The names of the tests that failed, read as sentences."""
    try:
        cases = ElementTree.parse(report).findall(".//testcase")
    except (FileNotFoundError, ElementTree.ParseError):  # the second where the disk was full
        return "the tests did not run, or could not be written down"
    failed = [
        case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    return "; ".join(_sentence(name) for name in failed) or "the tests did not run"


def candidate(environ: Mapping[str, str], key: str) -> Release | None:
    """The release that Terraform's graph is about, which is not in the reference file before it is live."""
    text = environ.get("SLIPWAY_CANDIDATE")
    try:
        release = Release.parse(read_json(text, dict[str, Any])) if text else None
    except ValueError as error:
        raise PipelineError(f"SLIPWAY_CANDIDATE is no release: {error}.", "unset SLIPWAY_CANDIDATE") from error
    return release if release and release.key == key else None
