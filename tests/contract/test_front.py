"""The front on a droplet: it names the release and leaves everything else as the app and its users say it.

What is installed is what an image has, before an app that knows nothing of it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from tests.contract.support import ROOT, Api
from tests.contract.test_metadata import Guest
from tests.contract.test_user_data import send
from tests.support import until

PORT = 3000
ENVIRONMENT = f'FRONT_APP_PORT="{PORT}"\nFRONT_HEALTH="/healthz"\n'
APP = f"systemd-run --quiet --unit=app python3 /root/front_app.py {PORT}"
LARGE = 3 << 20


@pytest.fixture(scope="module")
def guest(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    api.call("POST", "/_localocean/reset", status=204)
    guest = Guest(api, tmp_path_factory.mktemp("keys"), "front", "")
    until(lambda: guest.run("cloud-init status --wait").returncode == 0)
    send(guest, ROOT / "provisioning" / "front")
    ready(guest, f"cat >/root/front_app.py && {APP}", (ROOT / "tests" / "contract" / "front_app.py").read_text())
    ready(guest, "cat >/root/front.env", ENVIRONMENT)
    ready(guest, "mkdir /etc/slipway && echo SLIPWAY_RELEASE=v7-abc >/etc/slipway/release.env")
    ready(guest, "bash /root/front/install.sh")
    until(lambda: answers(guest))
    yield guest
    api.call("POST", "/_localocean/reset", status=204)


def ready(guest: Guest, command: str, stdin: str = "") -> str:
    """The output of a command that has to succeed."""
    done = guest.run(command, stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(guest: Guest) -> bool:
    try:
        return ask(guest, "/").ok
    except requests.RequestException:
        return False


def ask(guest: Guest, path: str, method: str = "GET", **options: object) -> requests.Response:
    return requests.request(method, f"http://{guest.address}{path}", timeout=20, **options)  # type: ignore[arg-type]


def connected(guest: Guest) -> socket.socket:
    return socket.create_connection((guest.address, 80), timeout=10)


def test_the_apps_answers_name_the_release_and_the_droplet(guest: Guest) -> None:
    for path, status in (("/", 200), ("/error", 500)):
        answer = ask(guest, path)
        assert answer.status_code == status
        assert answer.headers["slipway-release"] == "v7-abc"
        assert answer.headers["slipway-member"] == ready(guest, "hostname").strip()


def test_what_the_app_is_told_of_a_client_is_true(guest: Guest) -> None:
    lies = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.b", "Forwarded": "x"}
    told = ask(guest, "/a%20b?c=d", headers={"Host": "shop.example.com", **lies}).json()
    assert told["path"] == "/a%20b?c=d"
    with connected(guest) as mine:
        own = mine.getsockname()[0]
    headers = {name: value for name, value in told["headers"].items() if "forwarded" in name}
    assert headers == {
        "x-forwarded-for": [own],
        "x-forwarded-proto": ["http"],
        "x-forwarded-host": ["shop.example.com"],
    }
    assert (told["headers"]["host"], told["peer"]) == (["shop.example.com"], "127.0.0.1")


def test_nothing_is_compressed_on_the_way(guest: Guest) -> None:
    answer = ask(guest, "/", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_an_upload_arrives_whole(guest: Guest) -> None:
    assert ask(guest, "/upload", "POST", data=b"x" * LARGE).json() == {"bytes": LARGE}


def test_events_arrive_when_they_are_sent(guest: Guest) -> None:
    came = []
    with ask(guest, "/events", stream=True) as answer:
        for line in answer.iter_lines():
            if line:
                came.append((time.monotonic(), line))
    assert len(came) == 3
    assert [later - sooner > 0.3 for (sooner, _), (later, _) in zip(came, came[1:], strict=False)] == [True, True]


def test_a_web_socket_goes_through(guest: Guest) -> None:
    with connected(guest) as mine:
        mine.sendall(
            b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += mine.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        for text in (b"\x81\x05hello", b"\x81\x03you"):
            mine.sendall(text)
            assert mine.recv(100) == text


def test_http_2_is_spoken_without_tls_to_who_begins_with_it(guest: Guest) -> None:
    curl = ["curl", "--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--max-time", "10"]
    wanted = "%{http_version} %{http_code} %header{slipway-release}"
    said = subprocess.run([*curl, "--write-out", wanted, f"http://{guest.address}/"], capture_output=True, text=True)
    assert said.stdout == "2 200 v7-abc"


def test_a_kept_connection_that_the_app_has_closed_costs_a_reader_nothing_and_repeats_no_order(guest: Guest) -> None:
    assert ask(guest, "/hangs-up").status_code == 200
    assert ask(guest, "/hangs-up", "POST", data=b"x").status_code == 502
    assert ask(guest, "/").json()["seen"].count("/hangs-up") == 3


def test_a_dead_app_is_nobodys_answer(guest: Guest) -> None:
    ready(guest, "systemctl stop app")
    answer = ask(guest, "/")
    assert answer.status_code == 503 and "slipway-release" not in answer.headers
    ready(guest, APP)
    until(lambda: answers(guest))


def test_a_drained_droplet_is_unready_and_goes_on_serving(guest: Guest) -> None:
    assert ask(guest, "/healthz").status_code == 200
    with requests.Session() as kept:
        kept.get(f"http://{guest.address}/", timeout=10)
        ready(guest, "front-drain on")
        drained = ask(guest, "/healthz?deep=1")
        assert (drained.status_code, drained.json()) == (503, {"status": "draining"})
        assert kept.get(f"http://{guest.address}/", timeout=10).ok and answers(guest)
    ready(guest, "front-drain off")
    assert ask(guest, "/healthz").status_code == 200
    assert guest.run("front-drain perhaps").returncode != 0


def test_the_apps_own_port_is_closed_after_a_reboot_as_well(api: Api, guest: Guest) -> None:
    def refused() -> bool:
        with socket.socket() as mine:
            mine.settimeout(10)
            return mine.connect_ex((guest.address, PORT)) != 0

    assert ready(guest, f"curl --silent --max-time 5 http://127.0.0.1:{PORT}/")
    assert refused()
    api.finish(api.call("POST", f"/v2/droplets/{guest.id}/actions", {"type": "reboot"}, status=201)["action"])
    until(lambda: guest.run("systemctl is-active front.service close-app.service").returncode == 0)
    ready(guest, APP)
    until(lambda: answers(guest))
    assert refused()


def test_metrics_are_for_the_droplet_alone(guest: Guest) -> None:
    said = ready(guest, "curl --silent --max-time 5 http://127.0.0.1:8405/metrics")
    assert re.search(r'^haproxy_frontend_http_requests_total\{proxy="users"\} [1-9]', said, re.MULTILINE)
    with socket.socket() as mine:
        assert mine.connect_ex((guest.address, 8405)) != 0


def test_each_request_is_a_line_of_json_in_the_journal(guest: Guest) -> None:
    ask(guest, '/logged?a="b"\\c')
    log = "journalctl --unit front.service --output cat --no-pager --grep logged"
    (line,) = until(lambda: guest.run(log).stdout.splitlines())
    said = json.loads(line)
    assert (said["method"], said["status"]) == ("GET", 200)
    assert said["path"].startswith("/logged") and said["ms"] >= 0 and said["client"]
