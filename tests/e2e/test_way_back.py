"""The way back does not give up, and no single observer moves traffic: on real machines, with what goes wrong there."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import Api
from tests.e2e.checkout import NOT_INHERITED, Checkout, Prober, ask
from tests.support import AS_ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.host]

PROXIES = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
NOWHERE = {**PROXIES, "no_proxy": "127.0.0.1"}
ASSIGN = "/v2/floating_ips/*/actions"


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> str:
    """A release that is live and has a standby; gives its key."""
    checkout.invoke("build", "deploy", "--version", "v1", "--commit")
    checkout.invoke("deploy", "--set", "APP_MESSAGE=first", "--commit")
    return str(checkout.status()["live"]["release"])


@pytest.fixture
def api(checkout: Checkout) -> Iterator[Api]:
    """The cloud, whose faults are cleared afterwards."""
    found = checkout.api()
    yield found
    found.clear()


def deploy(checkout: Checkout, message: str, soak: str, meanwhile: Callable[[], None]) -> tuple[int, str]:
    """Deploy with a soak, in which something happens. Gives exit status and all that was printed."""
    environ = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    said: list[str] = []
    with subprocess.Popen(
        ["./invoke", "deploy", "--set", f"APP_MESSAGE={message}", "--soak", soak, "--commit"],
        cwd=checkout.folder,
        env={**environ, **checkout.cloud},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        for line in process.stderr:
            said.append(line)
            if line.startswith("  ▸ look after "):
                threading.Thread(target=meanwhile).start()
    return process.returncode, "".join(said)


def stop_the_live_app(checkout: Checkout, api: Api) -> None:
    """End the app of the droplet that the address points at, as a crash that systemd does not mend."""
    droplet = api.get("/v2/floating_ips")["floating_ips"][0]["droplet"]
    checkout.invoke("cloud.shell", droplet["name"], "--", "systemctl", "stop", "app.service")


FAILURES: dict[str, list[dict[str, Any]]] = {
    "503 on a look at the address": [{"method": "GET", "path": "/v2/floating_ips/*", "status": 503}],
    "429 and Retry-After on the move": [
        {"method": "POST", "path": ASSIGN, "status": 429, "retry_after": 2, "count": 2}
    ],
    "lost answers": [
        {"method": "POST", "path": ASSIGN, "effect": "lost"},
        {"method": "GET", "path": "/v2/images", "effect": "lost"},
    ],
    "silence and 500": [
        {"method": "GET", "path": "/v2/floating_ips/*", "effect": "silent", "seconds": 20},
        {"method": "*", "path": "/v2/droplets*", "status": 500, "count": 3},
    ],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failing_call_ends_the_way_back(checkout: Checkout, first: str, api: Api, failure: str) -> None:
    before, reference = checkout.status(), checkout.reference

    def strike() -> None:
        stop_the_live_app(checkout, api)
        for fault in FAILURES[failure]:
            api.fault(kind="response", **fault)

    status, said = deploy(checkout, failure, "90s", strike)
    assert status == 1, said
    assert "on the droplet itself it does not answer well" in said
    assert "going back failed too" not in said and "Traceback" not in said
    now = checkout.status()
    assert {**now, "warnings": []} == {**before, "warnings": []}, said
    assert ask(now["floating_ip"])["release"] == first
    assert checkout.reference != reference and '"rejected"' in checkout.reference


def test_users_are_served_before_the_evidence_is_collected(checkout: Checkout, first: str, api: Api) -> None:
    status, said = deploy(checkout, "quick", "90s", lambda: stop_the_live_app(checkout, api))
    assert status == 1
    folder = checkout.folder / said.split("The evidence is in ")[1].split()[0]
    assert "Stopped" in (folder / "journal.txt").read_text()
    assert said.index("back to") < said.index("The evidence is in")


def test_a_move_that_is_lost_is_undone(checkout: Checkout, first: str, api: Api) -> None:
    before, reference = checkout.status(), checkout.reference
    with Prober(before["floating_ip"]) as watched:
        api.fault(kind="move", effect="lost")
        message = checkout.refused("deploy", "--set", "APP_MESSAGE=never seen")
    assert "failed its verification: the release that answers is the wanted one" in message
    assert watched.lost(checkout.moves()) == [] and set(watched.answers) == {first}
    now = checkout.status()
    assert (now["problems"], now, checkout.reference) == ([], before, reference)


@contextmanager
def closed_from_here(*addresses: str) -> Iterator[None]:
    """This machine's own HTTP to some addresses is lost; their SSH, and everybody else's HTTP, is not."""
    rules = f"""
    table inet slipway_test_path {{
        chain output {{
            type filter hook output priority -200; policy accept;
            ip daddr {{ {", ".join(addresses)} }} tcp dport 80 drop
        }}
    }}
    """
    subprocess.run([*AS_ROOT, "nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*AS_ROOT, "nft", "delete", "table", "inet", "slipway_test_path"], check=True)


def addresses(api: Api, now: dict[str, Any]) -> list[str]:
    """The floating IP, and those of all droplets."""
    droplets = api.get("/v2/droplets")["droplets"]
    found = [
        each["ip_address"] for droplet in droplets for each in droplet["networks"]["v4"] if each["type"] == "public"
    ]
    return [now["floating_ip"], *found]


def test_heal_moves_nothing_when_only_this_machine_sees_no_answer(checkout: Checkout, first: str, api: Api) -> None:
    before, reference = checkout.status(), checkout.reference
    with closed_from_here(*addresses(api, before)):
        message = checkout.refused("heal")
    assert "the path from this machine is suspect. No traffic was moved" in message
    assert (checkout.status(), checkout.reference) == (before, reference)


def test_a_soak_keeps_a_release_that_only_this_machine_finds_unfit(checkout: Checkout, first: str, api: Api) -> None:
    blocked = threading.Event()

    def block() -> None:
        with closed_from_here(*addresses(api, checkout.status())):
            blocked.wait(12)

    status, said = deploy(checkout, "blocked", "25s", block)
    assert status == 0, said
    assert "the path from this machine is suspect, and no traffic is moved" in said
    assert ask(checkout.status()["floating_ip"])["release"] != first


def test_a_rollback_takes_no_proxy_and_no_netrc_from_its_caller(checkout: Checkout, first: str, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    before = checkout.status()
    result = checkout.call("rollback", "--commit", NETRC=str(tmp_path / "netrc"), **NOWHERE)
    assert result.returncode == 0, result.stderr
    now = checkout.status()
    assert now["in_sync"] and now["live"] == before["standby"]
    healed = checkout.call("heal", NETRC=str(tmp_path / "netrc"), **NOWHERE)
    assert (healed.returncode, checkout.status()) == (0, now), healed.stderr
    assert "nothing was done" in healed.stdout


def test_heal_still_leaves_a_droplet_that_is_dead_by_two_witnesses(checkout: Checkout, first: str, api: Api) -> None:
    before = checkout.status()
    stop_the_live_app(checkout, api)
    start = time.monotonic()
    checkout.invoke("heal", "--commit")
    now = checkout.status()
    assert now["in_sync"] and now["live"]["release"] == before["standby"]["release"]
    assert time.monotonic() - start < 120
