"""The whole path on real machines: releases that go well, ways back, and releases that must never get a request.

The tests of this file are one story and run in its order. From the first release on the public address is asked all
the time, by new connections: none may be lost, and none may be answered by a release that did not pass.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.checkout import REFERENCE, Checkout, Prober, ask

pytestmark = [pytest.mark.e2e, pytest.mark.host]

START = "gin.SetMode(gin.ReleaseMode)"


def only_where_released(statement: str) -> str:
    """Go that misbehaves on a released droplet alone; what is wrong everywhere fails the image's own tests already."""
    return f'if settings.Release != "unknown" {{\n\t\t{statement}\n\t}}\n\t{START}'


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> str:
    """The first release, made by the README's command; gives its key."""
    printed = checkout.invoke("build", "deploy", "--version", "v1", "--commit")
    now = checkout.status()
    assert printed.splitlines()[-1] == f"{now['live']['release']} is live at {now['url']}"
    return str(now["live"]["release"])


@pytest.fixture(scope="module")
def watched(checkout: Checkout, first: str) -> Iterator[Prober]:
    """The public address, asked from the first release to the end of the story."""
    with Prober(checkout.status()["floating_ip"]) as prober:
        yield prober
    assert prober.lost(checkout.moves()) == []


RELEASED: set[str] = set()
"""Keys of the releases that passed, as the story goes on."""


def live(checkout: Checkout, version: str) -> str:
    """Assert that a version is live in every respect; gives its release's key."""
    now = checkout.status()
    assert now["in_sync"], now["problems"]
    assert now["live"]["version"] == version
    answer = ask(now["floating_ip"])
    assert (answer["version"], answer["release"]) == (version, now["live"]["release"])
    assert answer["image"] == now["live"]["image"]
    RELEASED.add(answer["release"])
    return answer["release"]


@contextmanager
def a_bad_change(checkout: Checkout, file: str, old: str, new: str) -> Iterator[None]:
    """A committed mistake that fails to be released; afterwards everything is as it was, and it is reverted."""
    checkout.change(file, old, new, "A mistake")
    before, reference = checkout.status(), checkout.reference
    yield
    assert (checkout.status(), checkout.reference) == (before, reference)
    assert checkout.git("status", "--porcelain") == ""
    checkout.git("revert", "--no-edit", "HEAD")


def evidence(message: str, checkout: Checkout) -> Path:
    """The folder that a failure's message names."""
    return checkout.folder / message.split("The evidence is in ")[1].split()[0]


def test_v1_is_live_and_committed(checkout: Checkout, first: str) -> None:
    assert live(checkout, "v1") == first
    now = checkout.status()
    assert (now["environment"], now["cloud"], now["standby"], now["warnings"]) == ("local", "local", None, [])
    assert checkout.git("log", "-1", "--format=%s") == f"Release {first} to local"


def test_the_same_inputs_are_not_baked_again(checkout: Checkout, first: str) -> None:
    log = checkout.folder / ".slipway" / "local" / "logs"
    before = {path: path.stat().st_mtime_ns for path in log.iterdir()}
    assert checkout.invoke("build", "--version", "v1").strip() == checkout.status()["live"]["image"]
    assert {path: path.stat().st_mtime_ns for path in log.iterdir()} == before


def test_a_plan_is_said_and_nothing_is_done(checkout: Checkout, first: str, watched: Prober) -> None:
    before, reference = checkout.status(), checkout.reference
    assert checkout.invoke("deploy", "--plan").strip() == "This would change nothing."
    planned = json.loads(checkout.invoke("deploy", "--plan", "--json", "--set", "APP_MESSAGE=planned", "--no-standby"))
    created, moved, destroyed = planned["sentence"].split(", ")
    assert created == f"create 1 droplet of {before['live']['image']}"
    assert moved.startswith(f"move {before['floating_ip']} to v1-") and destroyed == f"destroy 1 droplet of {first}"
    assert planned["refused"] == []
    assert (checkout.status(), checkout.reference) == (before, reference)


def test_a_plan_that_would_hurt_is_refused(checkout: Checkout, first: str, watched: Prober) -> None:
    address = checkout.status()["floating_ip"]
    public = 'resource "digitalocean_floating_ip" "public" {\n  region = '
    with a_bad_change(checkout, "terraform/main.tf", f"{public}var.region", f'{public}"ams3"'):
        message = checkout.refused("deploy")
        assert f"The plan is refused: it would replace the floating IP {address}." in message
        assert "Nothing was changed." in message
    (checkout.folder / REFERENCE).write_text('{"live": null, "releases": {}, "standby": null}')
    try:
        message = checkout.refused("deploy")
    finally:
        checkout.git("checkout", "--quiet", REFERENCE)
    assert f"it would destroy the droplet of {first} while the floating IP points at it" in message
    assert live(checkout, "v1") == first


@pytest.mark.parametrize(
    ("setting", "instead", "why"),
    [
        ('region = "fra1"', 'region = "ams3"', "it would move the database notes-local from fra1 to ams3"),
        ('version = "15"', 'version = "16"', "runs PostgreSQL 15 and slipway.toml says 16"),
        ('size = "db-s-1vcpu-1gb"', 'size = "db-special"', "it would shrink the database"),
        ("nodes = 1", "nodes = 9", "database.nodes"),
        (
            "trusted_sources = []",
            'trusted_sources = ["0.0.0.0/0"]',
            "would open the database to 4,294,967,296",
        ),
    ],
)
def test_what_would_hurt_the_database_is_refused_before_anything_is_done(
    checkout: Checkout, first: str, watched: Prober, setting: str, instead: str, why: str
) -> None:
    path = checkout.folder / "slipway.toml"
    before, text, cluster = checkout.status(), path.read_text(), checkout.cluster()
    assert setting in text
    path.write_text(text.replace(setting, instead))
    try:
        for more in ([], ["--plan"]):
            assert why in checkout.refused("deploy", "--set", "APP_MESSAGE=hi", *more)
    finally:
        path.write_text(text)
    assert (checkout.status(), checkout.cluster()) == (before, cluster)


def test_a_plan_is_refused_for_what_a_deploy_would_be_refused_for(
    checkout: Checkout, first: str, watched: Prober
) -> None:
    for more in ([], ["--plan"]):
        assert "The cloud has no droplet size 's-99'" in checkout.refused("deploy", "--size", "s-99", *more)


def test_other_inputs_under_a_version_that_exists_are_refused(checkout: Checkout, watched: Prober) -> None:
    checkout.change(
        "app/internal/web/assets/index.html", "</main>", "<p>Second.</p>\n  </main>", "Say that it is the second"
    )
    message = checkout.refused("build", "--version", "v1")
    assert "Version v1 was baked from other inputs: binary differ" in message


def test_v2_takes_over_and_v1_stays_warm(checkout: Checkout, first: str, watched: Prober) -> None:
    checkout.invoke("build", "deploy", "--version", "v2", "--commit")
    live(checkout, "v2")
    assert checkout.status()["standby"]["release"] == first


def test_a_git_revert_and_a_deploy_go_back(checkout: Checkout, first: str, watched: Prober) -> None:
    checkout.git("revert", "--no-edit", "HEAD")
    assert checkout.call("status").returncode == 1, "git and the world disagree, and status does not say so"
    checkout.invoke("deploy")
    assert live(checkout, "v1") == first


def test_reverting_the_revert_goes_forward_from_the_snapshot(checkout: Checkout, watched: Prober) -> None:
    # v2's droplet went with the revert, whose reference does not know it: it is made again, through the gate.
    assert checkout.status()["standby"] is None
    checkout.git("revert", "--no-edit", "HEAD")
    checkout.invoke("deploy")
    live(checkout, "v2")


def test_a_rollback_to_the_warm_standby_moves_traffic_at_once(checkout: Checkout, first: str, watched: Prober) -> None:
    before = watched.answers[first]
    start = time.monotonic()
    told = json.loads(checkout.invoke("rollback", "--commit", "--json"))
    assert time.monotonic() - start < 60
    assert told == {"live": first, "url": f"http://{checkout.status()['floating_ip']}/"}
    assert watched.answers[first] > before
    assert live(checkout, "v1") == first
    assert checkout.status()["standby"]["version"] == "v2"


def test_the_report_tells_what_users_met(checkout: Checkout, first: str, watched: Prober) -> None:
    told = json.loads(checkout.invoke("report", "--json"))
    assert (told["command"], told["outcome"], told["live"]) == ("rollback", "succeeded", first)
    assert [s["outcome"] for s in told["steps"] if s["title"] == "move the floating IP"] == ["succeeded"]
    assert any(step["depth"] == 1 and step["title"].startswith(f"verify {first} at ") for step in told["steps"])
    seen = told["cutover"]
    assert (seen["lost"], seen["kept_lost"]) == (0, 0)
    assert set(seen["answers"]) == {first, told["before"]} and all(count > 10 for count in seen["answers"].values())
    page = checkout.folder / ".slipway" / "report.html"
    checkout.invoke("report", "--html", str(page))
    assert first in page.read_text()
    last = {each["version"]: each["outcome"] for each in json.loads(checkout.invoke("releases", "--json"))}
    assert last == {"v1": "succeeded", "v2": "succeeded"}
    commands = [each["command"] for each in json.loads(checkout.invoke("report", "--list", "--json"))]
    assert {"build v1", "deploy v1", "build v2", "deploy v2", "deploy", "rollback"} <= set(commands)
    assert len(checkout.git("ls-tree", "--name-only", "refs/slipway/notes/local/ledger").split()) == len(commands)


def test_what_was_rolled_back_is_not_deployed_again_by_mistake(checkout: Checkout, watched: Prober) -> None:
    for verb in (["deploy", "--version", "v2"], ["rollback"]):
        assert "This release was rolled back before: v2-" in checkout.refused(*verb)
    planned = checkout.call("deploy", "--plan", "--version", "v2", "--json")
    assert (planned.returncode, set(told := json.loads(planned.stdout))) == (1, {"error", "hint"})
    assert told["error"].startswith("This release was rolled back before: v2-")


def test_verification_can_be_run_at_any_time(checkout: Checkout, watched: Prober) -> None:
    now = checkout.status()
    assert "tests passed" in checkout.invoke("verify")
    assert now["standby"]["release"] in checkout.invoke("verify", "--droplet", str(now["standby"]["droplet_id"]))


def test_a_release_that_is_never_ready_gets_no_request(checkout: Checkout, watched: Prober) -> None:
    with a_bad_change(checkout, "slipway.toml", "deadline = 60", "deadline = 5"):
        # The discard port: nothing listens there.
        message = checkout.refused("deploy", "--set", "APP_DEPENDS_ON=127.0.0.1:9")
        assert "failed its verification: " in message and "the app is ready" in message
        assert "503 Service Unavailable" in (evidence(message, checkout) / "responses.txt").read_text()


def test_a_release_that_crashes_at_its_start_gets_no_request(checkout: Checkout, watched: Prober) -> None:
    with a_bad_change(checkout, "app/main.go", START, only_where_released('panic("crashes at its start")')):
        message = checkout.refused("build", "deploy", "--version", "v3")
        assert "the app is active and has never restarted" in message
        folder = evidence(message, checkout)
        assert "crashes at its start" in (folder / "journal.txt").read_text()
        files = {"unit.txt", "cloud-init.txt", "responses.txt", "verification.txt"}
        assert files <= {path.name for path in folder.iterdir()}


def test_a_release_that_reports_the_wrong_version_gets_no_request(checkout: Checkout, watched: Prober) -> None:
    with a_bad_change(checkout, "app/main.go", START, only_where_released('version = "v0"')):
        message = checkout.refused("build", "deploy", "--version", "v4")
        assert "the version is the released one" in message


def test_a_release_whose_cloud_init_fails_gets_no_request(checkout: Checkout, watched: Prober) -> None:
    template = "provisioning/cloud-init.yaml.tftpl"
    with a_bad_change(checkout, template, "write_files:", 'runcmd: [[sh, -c, "exit 3"]]\nwrite_files:'):
        message = checkout.refused("deploy", "--version", "v2")
        assert "cloud init finished without an error" in message


def test_a_move_that_is_lost_is_noticed_and_undone(checkout: Checkout, watched: Prober) -> None:
    # The cloud says that the address moved, and the traffic goes where it went: only a look from outside can tell.
    before, reference = checkout.status(), checkout.reference
    checkout.api().fault(kind="move", effect="lost")
    message = checkout.refused("deploy", "--set", "APP_MESSAGE=never seen")
    assert "failed its verification: the release that answers is the wanted one" in message
    assert (checkout.status(), checkout.reference) == (before, reference)


def test_a_release_that_goes_over_its_limits_is_gone_back_from(checkout: Checkout, first: str, watched: Prober) -> None:
    message = checkout.refused("deploy", "--set", "APP_MESSAGE=too slow", "--max-gap", "1ms", "--commit")
    assert "while it took over for " in message and "nothing answered (1 ms allowed)" in message
    assert evidence(message, checkout).is_dir()
    assert live(checkout, "v1") == first
    told = json.loads(checkout.invoke("report", "--json"))
    assert (told["outcome"], told["cutover"]["lost"], told["live"]) == ("failed", 0, first)
    RELEASED.add(told["target"])  # it had passed, and was live until it was measured
    assert "This release was rolled back before" in checkout.refused("deploy", "--set", "APP_MESSAGE=too slow")


def test_an_image_that_fails_its_tests_never_exists(checkout: Checkout, watched: Prober) -> None:
    script = "provisioning/provision.sh"
    with a_bad_change(checkout, script, "PasswordAuthentication no", "PasswordAuthentication yes"):
        message = checkout.refused("build", "--version", "v5")
        assert "Packer's build failed, so there is no image" in message
        assert "v5" not in {known["version"] for known in json.loads(checkout.invoke("releases", "--json"))}


def test_nothing_was_lost_and_no_failed_release_ever_answered(checkout: Checkout, watched: Prober) -> None:
    assert watched.lost(checkout.moves()) == []
    assert set(watched.answers) == RELEASED
    assert {key.rsplit("-", 1)[0] for key in RELEASED} == {"v1", "v2"}
    assert sum(watched.answers.values()) > 1000


def test_a_retired_release_comes_back_from_its_snapshot(checkout: Checkout, first: str, watched: Prober) -> None:
    checkout.invoke("deploy", "--no-standby", "--commit")
    assert checkout.status()["standby"] is None
    checkout.invoke("rollback", "--force", "v2 was not at fault", "--soak", "5s", "--commit")
    live(checkout, "v2")
    assert "v2 was not at fault" in checkout.invoke("report")
    assert checkout.status()["standby"]["release"] == first
