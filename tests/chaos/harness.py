"""One round after the other: a call of `./invoke`, something that goes wrong in it, and what has to hold afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from slipway.errors import PipelineError
from slipway.runs import record
from tests.chaos.draw import Round
from tests.chaos.operations import BUILD, EXPAND, MOVE
from tests.chaos.processes import MARK, Nothing, Processes
from tests.chaos.scene import Scene
from tests.chaos.watcher import Answer, Watcher
from tests.e2e.checkout import NAMES, NOT_INHERITED, Checkout, clone, renew
from tests.support import until

LONGEST = 240.0
"""Seconds after which a call hangs."""
_DEADLINE = "deadline = 20"


@dataclass
class Outcome:
    """How a round ended: ``broken`` are the promises that were not kept."""

    number: int
    operation: str
    failure: str
    moment: str
    struck: str
    status: int | None = None
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        exit = "killed" if self.status is None or self.status < 0 else f"exit {self.status}"
        verdict = f"BROKEN {len(self.broken)}" if self.broken else "ok"
        what = f"{self.operation:<8} {self.failure:<24} {self.moment:<38} {self.struck:<8} {exit:<7}"
        return f"round {self.number:>4}  {what} {verdict:<9} {self.seconds:5.1f} s"


class Harness:
    """A scene with two releases, and the rounds that are played on it."""

    def __init__(self, scene: Scene, watcher: Watcher, say: Callable[[str], None]) -> None:
        self.scene = scene
        self.watcher = watcher
        self._say = say
        self._verified: set[str] = set()
        self._images = set(scene.account()["images"])
        self._outcome = Outcome(0, "", "", "", "")
        self._said = ""
        self._moving = False
        """Whether the address had begun to move when the stroke was done, so that the candidate has the traffic."""
        self._baseline = scene.account()
        self._schemas: tuple[int, ...] = (scene.schema().version,)
        """The versions of the schema that may be there: that of before, and that which the round brings."""
        self._note_verified()

    # ---- a round ----------------------------------------------------------------------------------------------------

    def play(self, drawn: Round) -> Outcome:
        """Do it, let it end, mend what cannot mend itself, and hold the result to every promise."""
        scene, start = self.scene, time.monotonic()
        self._outcome = outcome = Outcome(
            drawn.number, drawn.operation.name, drawn.failure.name, drawn.moment, "struck"
        )
        self.watcher.forget()
        try:
            arguments = self._prepare(drawn)
            scene.before = set(scene.droplets())
            before = scene.reference
            struck_at = self._run(drawn, arguments)
            hurt = self._hurts(drawn) and struck_at is not None
            unfit = drawn.failure.unfit and struck_at is not None
            self._check_schema()
            self._check_status_is_true()
            if hurt:
                self._heal()
            if not hurt and drawn.failure.name not in ("torn state",):
                self._check_exit_status(before)
            if unfit:
                self._check_way_back(before)
            self._end_as_wanted(drawn, arguments)
            self._check_answers(struck_at if hurt or unfit else None)
            self._check_world()
        except Exception as error:  # a harness that stops half way tells less than one that says what it met
            self._broke(f"the harness: {type(error).__name__}: {error}")
        outcome.seconds = time.monotonic() - start
        return outcome

    def _broke(self, promise: str) -> None:
        self._outcome.broken.append(promise)

    def _hurts(self, drawn: Round) -> bool:
        """Whether the address may have been without an answer, or the standby lost, by the failure itself."""
        late = drawn.failure.victim == "candidate" and self._moving
        return drawn.failure.victim in ("live", "standby") or late or drawn.failure.name == "lost move"

    def _prepare(self, drawn: Round) -> list[str]:
        """The words after `./invoke`, of a version that is there."""
        if drawn.operation.name != EXPAND:
            return drawn.operation.arguments(self.scene.other(), drawn.number)
        version = self.scene.newer()
        self._images = set(self.scene.account()["images"])
        self._schemas = (before := self.scene.schema().version, before + 1)
        return drawn.operation.arguments(version, drawn.number)

    def _run(self, drawn: Round, arguments: list[str]) -> float | None:
        """Call it and strike; gives when that was, None where there was nothing to strike."""
        scene, struck_at = self.scene, None
        relief: Callable[[], None] = lambda: None  # noqa: E731
        with self._call(f"{drawn.number}", arguments) as (process, log):
            if self._wait_for(process, log, drawn):
                try:
                    struck_at = time.monotonic()
                    relief = drawn.failure.strike(scene, drawn.chance)
                    self._moving = MOVE in log.read_text(errors="replace")
                except Nothing as nothing:
                    self._outcome.struck, struck_at = "missed", None
                    self._say(f"          {nothing}")
            else:
                self._outcome.struck = "too late"
            try:
                self._outcome.status = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                self._broke(f"./invoke {' '.join(arguments)} hung: {_tail(log)}")
                self.scene.processes.kill("all", signal.SIGKILL)
        relief()
        scene.ask("/_localocean/faults", "DELETE")
        self._said = log.read_text(errors="replace")
        if "Traceback" in self._said and self._outcome.status not in (None, -9):
            self._broke(f"a traceback: {log}")
        self._note_verified()
        return struck_at

    @contextmanager
    def _call(self, name: str, arguments: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        folder = self.scene.checkout.folder.parent / "rounds"
        folder.mkdir(exist_ok=True)
        log = folder / f"{name}.txt"
        environ = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        mark = f"{self.scene.checkout.folder}:{name}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["./invoke", *arguments],
                cwd=self.scene.checkout.folder,
                env={**environ, **self.scene.checkout.cloud, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.scene.processes = Processes(mark)
        self.scene.processes.first = process.pid
        yield process, log

    def _wait_for(self, process: subprocess.Popen[bytes], log: Path, drawn: Round) -> bool:
        """Wait for the moment; False when the call ended before."""
        while drawn.step and f"{drawn.step}" not in log.read_text(errors="replace"):
            if process.poll() is not None:
                return False
            time.sleep(0.05)
        deadline = time.monotonic() + drawn.delay
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            time.sleep(0.05)
        return True

    # ---- what mends -------------------------------------------------------------------------------------------------

    def _mend(self, name: str, *arguments: str) -> bool:
        """A call that has to succeed."""
        with self._call(f"{self._outcome.number}-{name}", list(arguments)) as (process, log):
            try:
                status = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                self.scene.processes.kill("all", signal.SIGKILL)
                self._broke(f"./invoke {' '.join(arguments)} hung: {_tail(log)}")
                return False
        self._note_verified()
        if status != 0:
            self._broke(f"./invoke {' '.join(arguments)} ended with {status}: {_tail(log)}")
        return status == 0

    def _heal(self) -> None:
        self._mend("heal", "heal", "--commit")

    def _end_as_wanted(self, drawn: Round, arguments: list[str]) -> None:
        """The next run: a build is tried again, and the world made what git says.

        A release with a migration is tried again, too: in odd rounds at once, in even ones after all that.
        """
        if drawn.operation.name == BUILD:
            self._mend("build", *arguments)
            self._remove_baked(drawn.number)
        if drawn.operation.name == EXPAND and drawn.number % 2:
            self._migrate(arguments)
        if drawn.operation.name != BUILD or not self.status()["in_sync"]:
            self._mend("deploy", "deploy", "--commit")
        if self._leaks():
            self._mend("reap", "reap", "--apply", "--older-than", "0s")
        if drawn.operation.name == EXPAND and not drawn.number % 2:
            self._migrate(arguments)

    def _migrate(self, arguments: list[str]) -> None:
        """What failed succeeds now, and the schema is the new one."""
        version = arguments[arguments.index("--version") + 1]
        if not self.scene.live.startswith(f"{version}-"):
            self._mend("again", *arguments)
        self._schemas = self._schemas[-1:]
        self._check_schema()

    def _remove_baked(self, number: int) -> None:
        fresh = self.scene.account()["images"] - self._images
        made = [name for name in fresh if NAMES.version(name, ()) == f"c{number}"]
        if len(made) != 1:
            self._broke(f"the build left {len(made)} images: {', '.join(made) or 'none'}")
        for name in made:
            self.scene.remove_image(name)

    # ---- what is promised -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """`./invoke status --json`."""
        result = self.scene.checkout.call("status", "--json")
        try:
            found: dict[str, Any] = json.loads(result.stdout)
            well = found["in_sync"]
        except (ValueError, KeyError):
            self._broke(f"status says nothing: {result.stderr[-600:]}")
            return {"in_sync": False, "live": None, "problems": [result.stderr[-200:]]}
        if (result.returncode == 0) is not well:
            self._broke(f"status ends with {result.returncode} and says in_sync {well}")
        return found

    def _check_status_is_true(self) -> None:
        said, wrong = self.status(), self._unwanted()
        if said["in_sync"] and wrong:
            self._broke(f"status says that all is well, and {'; '.join(wrong)}")
        live = said["live"] and said["live"]["droplet_id"]
        if live != self.scene.address()[1] and said["live"] is not None:
            self._broke(f"status says that droplet {live} is live, and the address is at {self.scene.address()[1]}")

    def _unwanted(self) -> list[str]:
        """Where the world is not what git says."""
        reference, droplets = self.scene.reference, self.scene.droplets()
        names = {each["name"]: each for each in droplets.values()}
        running = [key for key in (reference["live"], reference["standby"]) if key]
        wrong = [f"{name} stands" for name in names if name not in {NAMES.droplet(key) for key in running}]
        for key in running:
            droplet = names.get(NAMES.droplet(key))
            if droplet is None or droplet["status"] != "active":
                wrong.append(f"the droplet of {key} is {droplet['status'] if droplet else 'not there'}")
        target = self.scene.address()[1]
        if (names.get(NAMES.droplet(reference["live"])) or {}).get("id") != target:
            wrong.append(f"the address is at {target}, which is not {reference['live']}")
        if len(droplets) != len(names):
            wrong.append("two droplets have one name")
        return wrong

    def _check_exit_status(self, before: dict[str, Any]) -> None:
        """Success means live, failure that everything is as it was; who was killed says nothing."""
        if self._outcome.status is None or self._outcome.status < 0 or self._outcome.operation == BUILD:
            return
        now = self.scene.reference
        if self._outcome.status != 0 and self._outcome.status < 128 and now["live"] != before["live"]:
            self._broke(f"it failed, and the reference went from {before['live']} to {now['live']}")
        wrong = self._unwanted()
        if "not all that it replaced is gone" in self._said:
            wrong = [each for each in wrong if not each.endswith(" stands")]
        if self._outcome.status == 0 and wrong:
            self._broke(f"it succeeded, and {'; '.join(wrong)}")

    def _check_way_back(self, before: dict[str, Any]) -> None:
        """The run itself went back: what was live before has the users, and nothing is left of the release."""
        if self._outcome.status != 1 or "going back failed too" in self._said:
            self._broke(f"it did not go back by itself, and ended with {self._outcome.status}")
        if wrong := self._unwanted():
            self._broke(f"it went back, and {'; '.join(wrong)}")
        if (answer := self._answer()).release != before["live"]:
            self._broke(f"it went back, and {answer} answers, not {before['live']}")

    def _check_schema(self) -> None:
        """It is at one of the versions that it may have, as a whole, and has what the live release needs."""
        found = self.scene.schema()
        if found.version not in self._schemas:
            self._broke(f"the schema is at {found.version}, and not at {' or '.join(map(str, self._schemas))}")
        if not found.is_whole:
            self._broke(f"the schema is half at {found.version}: {sorted(found.tables)}, {sorted(found.columns)}")
        live = self.scene.live.partition("-")[0]
        if live.startswith("m") and found.version < int(live[1:]):
            self._broke(f"{live} is live, and the schema is at {found.version}")

    def _check_answers(self, hurt_at: float | None) -> None:
        """Nobody answered but who was verified; nothing was lost but what went with the droplet that was killed."""
        answers = self.watcher.since(0)
        if strangers := {answer.release for answer in answers if answer.release} - self._verified:
            self._broke(f"the address answered from {', '.join(sorted(strangers))}, which was never verified")
        lost = [answer for answer in answers if answer.error and (hurt_at is None or answer.until < hurt_at)]
        if lost:
            when = self._during(time.time() - time.monotonic() + lost[0].at)
            self._broke(f"{len(lost)} of {len(answers)} requests were lost, the first {when}: {lost[0].error}")
        if (answer := self._answer()).release != self.scene.live:
            self._broke(f"in the end {answer} answers, and git says {self.scene.live}")

    def _answer(self) -> Answer:
        """What comes of a request that begins now."""
        start = time.monotonic()
        return until(lambda: self.watcher.since(start))[0]

    def _during(self, moment: float) -> str:
        """What the ledger says was going on at a moment (seconds since the epoch)."""
        for path in (self.scene.checkout.folder / ".slipway/local/runs").glob("*.jsonl"):
            try:
                run = record.parse(path.read_text())
            except PipelineError:
                continue  # it was killed before it had begun
            at = moment - datetime.fromisoformat(run.begun_at).timestamp()
            if 0 <= at <= run.seconds:
                steps = [step for step in run.steps if step.start <= at <= step.start + step.seconds]
                where = f"“{steps[-1].title}”" if steps else "no step"
                return f"{at:.1f} s into `{run.command}`, in {where}"
        return "between two runs"

    def _check_world(self) -> None:
        said = self.status()
        if not said["in_sync"]:
            self._broke(f"status is not in sync in the end: {'; '.join(said['problems'])}")
        for wrong in [*self._unwanted(), *self._leaks()]:
            self._broke(wrong)
        deadline = time.monotonic() + 5
        while (left := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.2)
        if left:
            self._broke(f"processes are left: {', '.join(left)}")
        for wrong in self.scene.residue():
            self._broke(wrong)

    def _leaks(self) -> list[str]:
        """Everything in the account that nobody needs, and what is missing."""
        reference, has = self.scene.reference, self.scene.account()
        running = [key for key in (reference["live"], reference["standby"]) if key]
        users = {reference["releases"][key]["database_user"] for key in running}
        wanted = {
            **self._baseline,
            "images": self._images,
            "droplets": {NAMES.droplet(key) for key in running},
            "database users": {"doadmin", *users},
        }
        return [
            f"{kind}: {_difference(has[kind], wanted[kind])}" for kind in wanted if set(has[kind]) != set(wanted[kind])
        ]

    def _alive(self) -> list[str]:
        processes = Processes("")
        marks = f"{self.scene.checkout.folder}:{self._outcome.number}"
        found = []
        for mark in (marks, *(f"{marks}-{name}" for name in ("heal", "deploy", "build", "reap", "again"))):
            processes.mark = mark
            found += [f"{pid} {' '.join(words)[:60]}" for pid, words in processes.all()]
        return found

    def _note_verified(self) -> None:
        """Releases whose report of the gate says that every test passed."""
        for path in (self.scene.work / "local" / "reports").glob("*-droplet.xml"):
            try:
                suites = list(ElementTree.parse(path).iter("testsuite"))
            except (ElementTree.ParseError, OSError):
                continue
            if suites and all(suite.get("failures") == suite.get("errors") == "0" for suite in suites):
                self._verified.add(path.name.removesuffix("-droplet.xml"))


def _difference(has: set[str], wanted: set[str]) -> str:
    more, less = sorted(has - wanted), sorted(wanted - has)
    return ", ".join([*(f"{name} is left" for name in more), *(f"{name} is gone" for name in less)])


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(line.strip() for line in lines[-4:])[-500:] + f" ({log})"


@contextmanager
def stage(folder: Path, cloud: dict[str, str], say: Callable[[str], None], *, keep: bool = False) -> Iterator[Harness]:
    """Two releases on a cloud, ready for rounds; with ``keep`` it is left, and found again by the next call."""
    folder.mkdir(parents=True, exist_ok=True)
    # A shell that starts this in the background has Ctrl-C ignored, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checkout = Checkout(folder / "project", cloud)
    fresh = not checkout.folder.exists()
    if fresh:
        clone(checkout.folder)
        checkout.change("slipway.toml", "deadline = 60", _DEADLINE, "Wait less")
    scene = Scene(checkout)
    scene.mount()
    try:
        if fresh:
            say("  making two releases")
            checkout.invoke("build", "deploy", "--version", "v1", "--commit")
            checkout.invoke("build", "deploy", "--version", "v2", "--commit")
        else:
            renew(checkout.folder, ["slipway.toml"])
            checkout.invoke("heal", "--commit")
        scene.start_server()
        with Watcher(scene.address()[0]) as watcher:
            yield Harness(scene, watcher, say)
    finally:
        if not keep:
            scene.unmount()
