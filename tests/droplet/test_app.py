"""This repository's app, as its users see it: its page, its notes, its headers. Another app has other tests here."""

from __future__ import annotations

import re

from tests.droplet.site import Site
from tests.droplet.target import Expected


def test_it_says_of_itself_what_was_released(site: Site, expected: Expected) -> None:
    found = site.ask("/version").json()
    assert found.pop("host")
    names = ("version", "commit", "image", "release")
    assert found == {name: getattr(expected, name) for name in names}


def test_it_is_ready_and_live(site: Site) -> None:
    for path, status in (("/health/ready", "ready"), ("/health/live", "live")):
        answer = site.ask(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


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
