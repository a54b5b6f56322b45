"""A running release, seen by a user: every address answers, and names the release that was wanted."""

from __future__ import annotations

import re

import pytest
import requests

from pipeline.app_client import AppClient
from tests.droplet.target import Expected


class Site(AppClient):
    """The droplet's site."""

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        """The whole answer; without one the test fails with a sentence."""
        try:
            return super().ask(path, method)
        except requests.RequestException as error:
            raise pytest.fail.Exception(f"{self.base}{path} does not answer: {error}", pytrace=False) from None


@pytest.fixture(scope="module")
def site(pytestconfig: pytest.Config, expected: Expected) -> Site:
    return Site(pytestconfig.getoption("--address"), expected.port)


def test_the_version_is_the_released_one(site: Site, expected: Expected) -> None:
    answer = site.ask("/version")
    found = answer.json()
    host = found.pop("host")
    wanted = {"version": expected.version, "commit": expected.commit}
    assert found == wanted | {"image": expected.image, "release": expected.release}
    assert answer.status_code == 200 and host


def test_the_page_shows_the_release(site: Site, expected: Expected) -> None:
    page = site.ask("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for text in (expected.version, expected.commit, expected.image, expected.release):
        assert text in page.text


def test_all_that_the_page_refers_to_is_there(site: Site) -> None:
    references = re.findall(r'(?:href|src)="(/[^"]*)"', site.ask("/").text)
    assert references
    assert {path: site.ask(path).status_code for path in references} == dict.fromkeys(references, 200)


def test_it_is_ready_and_live(site: Site) -> None:
    for path, status in (("/health/ready", "ready"), ("/health/live", "live")):
        answer = site.ask(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_there_are_notes_where_there_is_a_database(site: Site, expected: Expected) -> None:
    answer = site.ask("/api/notes?limit=1")
    assert answer.status_code == (200 if expected.database_user else 404)
    assert ("notes" in answer.json()) is bool(expected.database_user)
    assert ('action="/notes"' in site.ask("/").text) is bool(expected.database_user)


def test_what_it_does_not_have_it_refuses_in_json(site: Site) -> None:
    assert (site.ask("/no-such-page").status_code, site.ask("/version", "POST").status_code) == (404, 405)
    assert site.ask("/no-such-page").json() == {"error": "Not Found"}


def test_no_answer_may_be_kept_by_a_cache(site: Site) -> None:
    paths = ("/", "/version", "/health/ready")
    policies = {path: site.ask(path).headers.get("Cache-Control") for path in paths}
    assert policies == dict.fromkeys(paths, "no-store")


def test_the_page_may_load_nothing_from_elsewhere(site: Site) -> None:
    headers = site.ask("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
