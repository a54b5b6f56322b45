"""A running release, seen by a user: every address answers, and names the release that was wanted."""

from __future__ import annotations

from tests.droplet.site import Site
from tests.droplet.target import Expected


def test_the_version_is_the_released_one(site: Site, expected: Expected) -> None:
    answer = site.ask("/version")
    found = answer.json()
    host = found.pop("host")
    wanted = {"version": expected.version, "commit": expected.commit}
    assert found == wanted | {"image": expected.image, "release": expected.release}
    assert answer.status_code == 200 and host


def test_it_is_ready_and_live(site: Site) -> None:
    for path, status in (("/health/ready", "ready"), ("/health/live", "live")):
        answer = site.ask(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})
