"""Data that outlives releases, on real machines: what each release, refusal and way back leaves of it.

One story that goes on where the releases' own story ended; alone, it begins with a first release. From then on the
public address is asked all the time. A note is written at the start, and has to be on the page at every stop.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.e2e.checkout import NAMES, ROOT, Checkout, Prober, ask_for_notes
from tests.support import until

pytestmark = [pytest.mark.e2e, pytest.mark.host]

NOTE = "written before everything"
VERSIONS = ROOT / "tests" / "e2e" / "versions"


@pytest.fixture(scope="module")
def base(checkout: Checkout) -> str:
    """A release that knows the first schema; gives its version."""
    if checkout.status()["live"] is None:
        checkout.invoke("build", "deploy", "--version", "v1", "--commit")
    now = checkout.status()
    assert now["database"]["schema"] == 1
    for _ in range(2):  # of the same text, which is what the failing migration fails at
        answer = requests.post(f"{now['url']}api/notes", json={"body": NOTE}, timeout=5)
        assert answer.status_code == 201, answer.text
    return str(now["live"]["version"])


@pytest.fixture(scope="module")
def watched(checkout: Checkout, base: str) -> Iterator[Prober]:
    """The public address, asked for notes from the first release to the last."""
    with Prober(checkout.status()["floating_ip"], ask=ask_for_notes) as prober:
        yield prober


def notes(checkout: Checkout) -> list[dict[str, Any]]:
    """All notes; the page has to show the same."""
    url = checkout.status()["url"]
    found: list[dict[str, Any]] = requests.get(f"{url}api/notes", timeout=5).json()["notes"]
    page = requests.get(url, timeout=5).text
    assert [note["body"] for note in found if note["body"] not in page] == []
    return found


def live(checkout: Checkout, version: str, schema: int) -> dict[str, Any]:
    """Assert what is live, on which schema, and that the note is still there; gives the status."""
    now = checkout.status()
    assert now["in_sync"], now["problems"]
    assert (now["live"]["version"], now["database"]["schema"]) == (version, schema)
    assert NOTE in [note["body"] for note in notes(checkout)]
    return now


@contextmanager
def another_version(checkout: Checkout, folder: str) -> Iterator[None]:
    """The app as the folder has it, committed, and afterwards reverted."""
    shutil.copytree(VERSIONS / folder, checkout.folder / "app", dirs_exist_ok=True)
    checkout.git("add", "app")
    checkout.git("commit", "--quiet", "--message", f"Make the app {folder}")
    made = checkout.git("rev-parse", "HEAD")
    yield
    checkout.git("revert", "--no-edit", made)


@contextmanager
def nothing_changes(checkout: Checkout) -> Iterator[None]:
    """A release that fails: status, reference file and the cluster's databases are as before."""
    before = checkout.status(), checkout.reference, checkout.databases()
    yield
    assert (checkout.status(), checkout.reference, checkout.databases()) == before


def users(checkout: Checkout) -> set[str]:
    """The names of the app's users in the cluster."""
    return {each["name"] for each in checkout.cluster("/users")["users"]} - {"doadmin"}


def test_the_first_release_brings_up_the_database(checkout: Checkout, watched: Prober, base: str) -> None:
    database = live(checkout, base, 1)["database"]
    assert (database["cluster"], database["status"], database["user"]) == (NAMES.cluster, "online", "app_1")
    assert database["trusted_sources"] == [f"tag:{NAMES.tag}"]
    assert users(checkout) == {"app_1"}


def test_deploying_what_is_live_again_does_nothing(checkout: Checkout, watched: Prober) -> None:
    start = time.monotonic()
    result = checkout.call("deploy")
    assert result.returncode == 0, result.stderr
    for step in ("the database", "create", "migrate", "verify", "move", "remove"):
        assert f"▸ {step}" not in result.stderr
    assert time.monotonic() - start < 60  # seconds, on a machine with nothing else to do
    assert "The schema is at 1" in checkout.invoke("migrate")


def test_the_state_is_encrypted_and_its_key_can_be_changed(checkout: Checkout, watched: Prober) -> None:
    work = checkout.folder / ".slipway" / "local"
    states = [work / "terraform" / "terraform.tfstate", work / "database" / "terraform.tfstate"]
    password = next(user["password"] for user in checkout.cluster("/users")["users"] if user["name"] == "app_1")
    before = (work / "state.key").read_text()
    checkout.invoke("rotate", "state")
    for state in states:
        assert '"encrypted_data"' in state.read_text() and password not in state.read_text()
    assert (work / "state.key").read_text() != before
    assert "cannot be read with the key" in checkout.refused("status", SLIPWAY_STATE_KEY=before.strip())
    (work / "state.key").rename(work / "elsewhere")
    assert "The state is encrypted and its key is gone" in checkout.refused("deploy")
    (work / "elsewhere").rename(work / "state.key")


def test_an_interrupted_change_of_the_states_key_is_finished(checkout: Checkout, watched: Prober) -> None:
    work = checkout.folder / ".slipway" / "local"
    coming = work / "state.key.new"
    coming.touch(mode=0o600)
    coming.write_text("0123456789abcdef" * 4)
    assert "A rotation of the state's key was interrupted" in checkout.refused("deploy")
    checkout.invoke("rotate", "state")
    assert (work / "state.key").read_text() == "0123456789abcdef" * 4 and not coming.exists()
    assert checkout.status()["in_sync"]


def test_a_plain_state_is_only_had_by_asking_and_is_encrypted_when_found(checkout: Checkout, watched: Prober) -> None:
    state = checkout.folder / ".slipway" / "local" / "terraform" / "terraform.tfstate"
    settings = checkout.folder / "slipway.toml"
    before = settings.read_text()
    settings.write_text(f'{before}\n[state]\nencryption = "off"\n')
    checkout.invoke("status")
    assert '"encrypted_data"' not in state.read_text()
    settings.write_text(before)
    checkout.invoke("status")
    assert '"encrypted_data"' in state.read_text()
    assert [path.name for path in state.parent.glob("*backup*")] == []


def test_a_migration_that_expands_is_done_before_any_traffic(checkout: Checkout, watched: Prober, base: str) -> None:
    with another_version(checkout, "expanding"):
        checkout.invoke("build", "deploy", "--version", "expanding", "--commit")
    live(checkout, "expanding", 2)
    assert {note["author"] for note in notes(checkout)} == {"somebody"}
    assert "app_rehearsal" not in checkout.databases()


def test_a_rollback_needs_no_way_down(checkout: Checkout, watched: Prober, base: str) -> None:
    checkout.invoke("rollback", "--commit")
    live(checkout, base, 2)
    checkout.invoke("rollback", "--force", "only its data was looked at", "--commit")
    live(checkout, "expanding", 2)


def test_a_migration_that_breaks_the_live_release_is_refused(checkout: Checkout, watched: Prober) -> None:
    with another_version(checkout, "expanding"), another_version(checkout, "breaking"):
        checkout.invoke("build", "--version", "breaking")
        with nothing_changes(checkout):
            message = checkout.refused("deploy", "--version", "breaking")
    assert "its migration 3 (" in message and "breaks the live release expanding-" in message
    assert "“list notes”" in message and "Nothing was changed" in message


def test_a_migration_that_fails_halfway_leaves_nothing(checkout: Checkout, watched: Prober) -> None:
    with another_version(checkout, "expanding"), another_version(checkout, "failing"):
        checkout.invoke("build", "--version", "failing")
        with nothing_changes(checkout):
            message = checkout.refused("deploy", "--version", "failing")
    assert "Migration 3 of failing-" in message and "unique index" in message


def test_a_migration_that_takes_too_long_is_ended(checkout: Checkout, watched: Prober) -> None:
    patient, impatient = "migration_timeout = 60", "migration_timeout = 3"
    with another_version(checkout, "expanding"), another_version(checkout, "slow"):
        checkout.invoke("build", "--version", "slow")
        checkout.change("slipway.toml", patient, impatient, "Be impatient")
        with nothing_changes(checkout):
            message = checkout.refused("deploy", "--version", "slow")
        checkout.change("slipway.toml", impatient, patient, "Be patient again")
    assert "Migration 3 of slow-" in message and "took longer than 3 s" in message


def test_settings_that_cannot_be_are_refused_before_anything_is_made(checkout: Checkout, watched: Prober) -> None:
    message = checkout.refused("deploy", "--set", "APP_COLOUR=blue")
    assert "does not know the setting APP_COLOUR" in message and "APP_MESSAGE" in message
    assert "PORT is not yours to set: slipway.toml" in checkout.refused("deploy", "--set", "PORT=x")
    assert "APP_DATABASE_URL is not yours to set" in checkout.refused("deploy", "--set", "APP_DATABASE_URL=x")


def test_a_password_that_was_changed_elsewhere_is_put_right_by_a_rotation(checkout: Checkout, watched: Prober) -> None:
    checkout.cluster("/users/app_1/reset_auth", "POST", {})
    checkout.invoke("rotate", "database", "--commit")
    now = live(checkout, "expanding", 2)
    assert (now["database"]["user"], users(checkout)) == ("app_2", {"app_1", "app_2"})


def test_an_older_version_comes_back_from_its_image_and_the_old_user_goes(
    checkout: Checkout, watched: Prober, base: str
) -> None:
    checkout.invoke("deploy", "--version", base, "--set", "APP_MESSAGE=Back again", "--commit")
    now = live(checkout, base, 2)
    assert "Back again" in requests.get(now["url"], timeout=5).text
    assert users(checkout) == {"app_2"}


def test_another_major_version_is_not_a_matter_of_a_release(checkout: Checkout, watched: Prober) -> None:
    settings = checkout.folder / "slipway.toml"
    before = settings.read_text()
    settings.write_text(before.replace('version = "15"', 'version = "16"'))
    message = checkout.refused("deploy")
    settings.write_text(before)
    assert "runs PostgreSQL 15 and slipway.toml says 16" in message


def test_no_request_was_lost_so_far(checkout: Checkout, watched: Prober) -> None:
    assert watched.lost(checkout.moves()) == []
    assert sum(watched.answers.values()) > 500


def test_while_the_database_is_away_nothing_is_released_and_all_recovers(checkout: Checkout) -> None:
    now, reference = checkout.status(), checkout.reference
    api = checkout.api()
    api.fault(kind="network", effect="lost", database_id=checkout.cluster()["id"])
    try:
        until(lambda: requests.get(f"{now['url']}health/ready", timeout=30).status_code == 503)
        assert requests.get(f"{now['url']}api/notes", timeout=30).status_code == 503
        away = checkout.status()
        assert not away["in_sync"] and any("is not ready: database" in problem for problem in away["problems"])
        message = checkout.refused("deploy", "--set", "APP_MESSAGE=never seen")
        assert "The database does not answer" in message
        assert checkout.reference == reference
    finally:
        api.clear()
    until(lambda: requests.get(f"{now['url']}health/ready", timeout=30).status_code == 200)
    assert checkout.status() == now
    assert NOTE in [note["body"] for note in notes(checkout)]
