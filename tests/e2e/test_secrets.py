"""Secrets are where they have to be, for who has to read them, and nowhere else: all that was written is searched."""

from __future__ import annotations

import json
import os
import secrets as random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests

from tests.e2e.checkout import Checkout
from tests.e2e.traces import CommandLines, Secrets, Trace
from tests.support import AS_ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.host]

TOKEN = f"planted-{random.token_hex(12)}"
MESSAGE = 'APP_MESSAGE=It\'s "quoted": ${HOME} %{if} $HOME `id` \\ e\u0301 🙂 # and ends in \\'
"""The gate compares the app's environment with what was given."""
NAMED = '\n[secrets]\nnames = ["APP_WRITE_TOKEN"]\n'


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the verbs of this story print."""
    return []


@pytest.fixture(scope="module")
def secrets(checkout: Checkout, said: list[str]) -> Iterator[Secrets]:
    """Everything secret there is after a release that was given a secret, beside which another one has failed."""
    if checkout.status()["live"] is None:
        checkout.invoke("build", "deploy", "--version", "v1")
    planted = Secrets({"write token": TOKEN, **_keys(checkout)})
    with CommandLines(planted) as lines, _with_secret(checkout):
        result = checkout.call("deploy", "--set", MESSAGE, APP_WRITE_TOKEN=TOKEN)
        assert result.returncode == 0, result.stderr
        failed = checkout.call("deploy", "--set", "APP_DEPENDS_ON=127.0.0.1:9", APP_WRITE_TOKEN=TOKEN)
        assert failed.returncode == 1 and "failed its verification" in failed.stderr, failed.stderr
        backup = checkout.call("backup")
        assert backup.returncode == 0, backup.stderr
    said += [text for each in (result, failed, backup) for text in (each.stdout, each.stderr)]
    assert lines.looks > 50
    assert lines.seen == set()
    yield Secrets(
        {
            "write token": TOKEN,
            **_keys(checkout),
            **_passwords(checkout),
            "API token": checkout.api().token,
        }
    )


@contextmanager
def _with_secret(checkout: Checkout) -> Iterator[None]:
    path = checkout.folder / "slipway.toml"
    before = path.read_text()
    path.write_text(before.replace("deadline = 60", "deadline = 10") + NAMED)
    yield
    path.write_text(before)


def _keys(checkout: Checkout) -> dict[str, str]:
    work = checkout.folder / ".slipway" / "local"
    return {"deploy key": _inner_line(work / "id_ed25519"), "state key": (work / "state.key").read_text().strip()}


def _inner_line(key: Path) -> str:
    """A line of a private key's that no public key has."""
    return key.read_text().splitlines()[3]


def _passwords(checkout: Checkout) -> dict[str, str]:
    """The passwords of the database's users, and of the live droplet's own."""
    return {f"password of {user['name']}": user["password"] for user in checkout.cluster("/users")["users"]}


def state(checkout: Checkout) -> Path:
    return Path(checkout.cloud["LOCALOCEAN_STATE"])


def upper(disk: Path) -> Path:
    """What a droplet has written: on its disk's own file system, where the machine can mount one."""
    return disk / ("fs/upper" if os.path.ismount(disk / "fs") else "upper")


def elsewhere(traces: list[Trace], places: dict[str, set[str]], root: Path) -> list[str]:
    """The traces that are in none of the places where they belong, or there for more readers than their owner."""
    wrong = []
    for trace in traces:
        name = str(Path(trace.path).relative_to(root))
        owners = [kinds for place, kinds in places.items() if Path(name).match(place)]
        if not any(trace.secret in kinds or "all" in kinds for kinds in owners) or trace.mode & 0o077:
            wrong.append(f"{trace.secret} in {name}, mode {trace.mode:o}")
    return wrong


def test_the_app_got_its_secret(checkout: Checkout, secrets: Secrets) -> None:
    url = checkout.status()["url"]
    assert requests.post(f"{url}api/notes", json={"body": "x"}, timeout=5).status_code in (401, 403)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.post(f"{url}api/notes", json={"body": "x"}, headers=headers, timeout=5).status_code == 201


def test_nothing_secret_is_printed(secrets: Secrets, said: list[str]) -> None:
    assert [secrets.names_in(text) for text in said if secrets.names_in(text)] == []


def test_the_checkout_holds_the_keys_for_their_owner_alone(checkout: Checkout, secrets: Secrets) -> None:
    traces = [*secrets.search(checkout.folder, beside=[".venv"])]
    keys = {
        ".slipway/local/id_ed25519": {"deploy key"},
        ".slipway/local/state.key": {"state key"},
        ".slipway/localocean.json": {"API token"},
    }
    assert elsewhere(traces, keys, checkout.folder) == []
    assert {trace.secret for trace in traces} == {"deploy key", "state key", "API token"}, "the search finds nothing"


def test_nothing_secret_is_in_git_the_ledger_included(checkout: Checkout, secrets: Secrets) -> None:
    command = ["git", "cat-file", "--batch", "--batch-all-objects", "--buffer"]
    objects = subprocess.run(command, cwd=checkout.folder, capture_output=True, check=True).stdout.decode(
        errors="replace"
    )
    assert "APP_MESSAGE" in objects, "the search finds nothing"
    assert secrets.names_in(objects) == set()


def test_the_reference_file_tells_whether_a_secret_changed_and_not_what_it_is(
    checkout: Checkout, secrets: Secrets
) -> None:
    now = json.loads(checkout.reference)
    assert len(now["releases"][now["live"]]["secrets"]["APP_WRITE_TOKEN"]) == 12


def test_the_cloud_holds_secrets_in_its_records_and_each_droplet_its_own(checkout: Checkout, secrets: Secrets) -> None:
    traces = [*secrets.search(state(checkout), beside=["disk.img"])]  # as large as its size says, and nearly empty
    for disk in (state(checkout) / "disks").iterdir():
        traces += secrets.search(upper(disk)) if upper(disk).parent.name == "fs" else []
        assert not (disk / "disk.img").exists() or not (disk / "disk.img").stat().st_mode & 0o077
    places = {
        "cloud.db*": {"all"},  # user data and passwords are what the API gives back
        "credentials.json": {"API token"},
        "disks/*/fs/upper/opt/app/conf.env": {"all"},
        "disks/*/upper/opt/app/conf.env": {"all"},
    }
    assert elsewhere(traces, places, state(checkout)) == []
    assert "write token" in {trace.secret for trace in traces}, "the search finds nothing"


def test_a_live_droplet_s_disk_has_its_credentials_in_one_file(checkout: Checkout, secrets: Secrets) -> None:
    live = checkout.status()["live"]["droplet_id"]
    disk = upper(state(checkout) / "disks" / str(live))
    conf = subprocess.run(
        [*AS_ROOT, "cat", str(disk / "opt/app/conf.env")], capture_output=True, text=True, check=True
    ).stdout
    url = next(line for line in conf.splitlines() if line.startswith("APP_DATABASE_URL=")).partition("=")[2].strip('"')
    password = unquote(urlsplit(url).password or "")
    found = {trace.path for trace in Secrets({"password": password, "token": TOKEN}).search(disk)}
    assert found == {str(disk / "opt/app/conf.env")}


def test_no_image_holds_any(checkout: Checkout, secrets: Secrets) -> None:
    assert [*secrets.search(state(checkout) / "layers")] == []


def test_nothing_is_left_in_the_folders_for_temporary_files(checkout: Checkout, secrets: Secrets) -> None:
    mine = [path for path in Path("/tmp").glob("*") if path.name.startswith(("slipway-", "packer", "tf", "terraform"))]
    assert [trace for path in mine for trace in secrets.search(path)] == []


def test_a_value_that_the_app_itself_refuses_is_named_in_its_words(checkout: Checkout, secrets: Secrets) -> None:
    message = checkout.refused("deploy", "--set", "APP_MESSAGE=DEL \x7f and U+0080 \x80")
    assert "The app says: the configuration is wrong" in message
    assert "APP_MESSAGE" in message and "want at most 500 bytes of text on one line" in message
