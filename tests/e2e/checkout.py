"""Running the verbs in a clone as a user does, and watching the address meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.names import Names
from tests.contract.support import Api
from tests.support import UNANSWERED, Repeating, get

ROOT = Path(__file__).parents[2]
REFERENCE = "terraform/environments/local.tfvars.json"
NAMES = Names("notes", "local")

# What a user's shell would not have, and what must not leak into the clone from the run that tests it.
NOT_INHERITED = {"CI", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_API_URL", "VIRTUAL_ENV"}


# What a user's shell may have, and what must not reach a tool: every verb of these suites is called with it.
HOSTILE = {
    **{"TF_WORKSPACE": "staging", "TF_CLI_ARGS": "-no-such-flag", "TF_DATA_DIR": "/nowhere", "TF_VAR_live": "none"},
    **{"GOAMD64": "v3", "GOFLAGS": "-tags=other", "CGO_ENABLED": "1", "PKR_VAR_region": "nowhere"},
    **{"GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere", "CDPATH": "/", "PYTEST_ADDOPTS": "--collect-only"},
    **{"PYTHONPATH": "/nowhere", "PYTHONIOENCODING": "utf-8", "PGOPTIONS": "-c search_path=nowhere"},
}


class Checkout:
    """A clone of the project and the cloud that it uses; ``program`` is what slipway is called by there."""

    def __init__(self, folder: Path, cloud: Mapping[str, str], program: Sequence[str] = ("./invoke",)) -> None:
        self.folder = folder
        self.cloud = cloud
        self.program = program

    def call(self, *verbs: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """`./invoke …` to its end, whatever that is."""
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        return subprocess.run(
            [*self.program, *verbs],
            cwd=self.folder,
            env={**inherited, **HOSTILE, **self.cloud, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def invoke(self, *verbs: str) -> str:
        """Standard output of a call that has to succeed."""
        result = self.call(*verbs)
        assert result.returncode == 0, f"./invoke {' '.join(verbs)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def refused(self, *verbs: str, **environ: str) -> str:
        """Standard error of a call that has to fail as foreseen: with a sentence and without a traceback."""
        result = self.call(*verbs, **environ)
        assert result.returncode == 1, f"exit status {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        assert "✗" in result.stderr
        return result.stderr

    def git(self, *args: str) -> str:
        """Output of git in the clone."""
        return subprocess.run(
            ["git", *args], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def change(self, file: str, old: str, new: str, message: str) -> None:
        """Change a tracked file and commit it."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} no longer says {old!r}"
        path.write_text(text.replace(old, new, 1))
        self.git("commit", "--quiet", "--message", message, "--", file)

    def status(self) -> dict[str, Any]:
        """`./invoke status --json`, whatever its exit status."""
        result = self.call("status", "--json")
        assert result.stdout, result.stderr
        data: dict[str, Any] = json.loads(result.stdout)
        assert (result.returncode == 0) is data["in_sync"]
        return data

    def api(self) -> Api:
        """Requests to the cloud."""
        return Api(self._exports["DIGITALOCEAN_API_URL"], self._exports["DIGITALOCEAN_TOKEN"])

    @cached_property
    def _exports(self) -> dict[str, str]:
        """What the cloud has users export, the same for as long as it lives."""
        return dict(line.removeprefix("export ").split("=", 1) for line in self.invoke("cloud.env").splitlines())

    def cluster(self, path: str = "", method: str = "GET", body: object = None) -> dict[str, Any]:
        """What the API says of the environment's database cluster; its own record without a path."""
        api = self.api()
        found = api.get("/v2/databases")["databases"]
        record: dict[str, Any] = next(each for each in found if each["name"] == NAMES.cluster)
        return dict(api.call(method, f"/v2/databases/{record['id']}{path}", body, status=200)) if path else record

    def moves(self) -> list[float]:
        """When the public address was moved, by the cloud's word (seconds since the epoch, to the second)."""
        found = self.api().get(f"/v2/floating_ips/{self.status()['floating_ip']}/actions?per_page=200")["actions"]
        return [datetime.fromisoformat(each["completed_at"]).timestamp() for each in found if each["completed_at"]]

    def databases(self) -> list[str]:
        """The databases of the cluster by its server, since the API tells only of those that were made by it."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"
        psql = f"psql --no-psqlrc --tuples-only --no-align --username=postgres --port=25060 --command='{query}'"
        return self.invoke("cloud.shell", NAMES.cluster, "--command", psql).split()

    @property
    def reference(self) -> str:
        """The reference file's text."""
        return (self.folder / REFERENCE).read_text()


@dataclass
class Prober(Repeating):
    """Asks an address which release answers, a new connection each time.

    A request that is on its way when the address moves is cut off by the move. It is asked again at once, and is no
    failure if that is answered: ``cut`` says when (seconds since the epoch).
    """

    interval: ClassVar[float] = 0.02
    address: str
    ask: Callable[[str], Mapping[str, str]] = field(default_factory=lambda: ask)
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)

    def once(self) -> None:
        """One request."""
        try:
            try:
                answer = self.ask(self.address)
            except ConnectionResetError:
                answer = self.ask(self.address)
                self.cut.append(time.time())
            self.answers[answer["release"]] += 1
        except UNANSWERED as error:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {error!r}")

    def lost(self, moves: Sequence[float]) -> list[str]:
        """The failures, and what was cut off when the address did not move."""
        return self.failures + [f"cut at {at}" for at in self.cut if all(abs(at - move) > 2 for move in moves)]


def ask(address: str) -> dict[str, str]:
    """What `/version` says over a connection of its own."""
    data: dict[str, str] = json.loads(get(address, "/version"))
    return data


def ask_for_notes(address: str) -> dict[str, str]:
    """The notes, which come from the database, over a connection of its own; who answers is not among them."""
    return {"release": f"{len(json.loads(get(address, '/api/notes'))['notes'])} notes"}


def clone(folder: Path) -> None:
    """The project as it stands in this work tree, committed or not, as one repository in which nothing is released."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    for key, value in (("user.name", "tester"), ("user.email", "tester@example.com"), ("commit.gpgsign", "false")):
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)
    reference.write(folder / REFERENCE, Reference())
    renew(folder)
    furnish(folder, ROOT)
    assert os.access(folder / "invoke", os.X_OK)


def furnish(folder: Path, other: Path) -> None:
    """Link the packages that another clone has installed; `./invoke` would take a minute to install them.

    Does nothing where the file systems differ.
    """
    packages, theirs = folder / ".venv", other / ".venv"
    if subprocess.run(["cp", "-al", str(theirs), str(packages)], stderr=subprocess.DEVNULL).returncode:
        shutil.rmtree(packages, ignore_errors=True)
        return
    for finder in packages.glob("lib/*/site-packages/__editable___slipway_*_finder.py"):
        replace(finder, finder.read_text().replace(str(other), str(folder)).encode())
    wanted = f"{folder}\n".encode() + (folder / "requirements.lock").read_bytes()
    replace(packages / ".stamp", subprocess.run(["cksum"], input=wanted, capture_output=True, check=True).stdout)


def replace(link: Path, content: bytes) -> None:
    """Write a file in place of a link, and not to what it is a link of."""
    link.unlink()
    link.write_bytes(content)


def renew(folder: Path, but: Sequence[str] = ()) -> None:
    """Bring a clone to what this work tree holds, and commit it; what is released in it and other files stay."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in set(filter(None, listed.split("\0"))) - {REFERENCE, *but}:
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        else:
            target.unlink(missing_ok=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--allow-empty", "--message", "As tested"], cwd=folder, check=True)
