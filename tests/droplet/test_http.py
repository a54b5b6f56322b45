"""A running release, seen by a user: it answers, and is the one that was wanted."""

from __future__ import annotations

from slipway.contract import RELEASE_HEADER
from slipway.verification.app_client import document, release_in
from tests.droplet.site import Site
from tests.droplet.target import Expected


def test_the_release_that_answers_is_the_wanted_one(site: Site, expected: Expected) -> None:
    answer = site.ask(expected.contract.probe)
    assert release_in(answer.status_code, answer.headers, answer.content) == expected.release


def test_the_version_is_the_released_one(site: Site, expected: Expected) -> None:
    if path := expected.contract.version:
        answer = site.ask(path)
        assert (answer.status_code, document(answer).get("version")) == (200, expected.version)


def test_it_is_ready(site: Site, expected: Expected) -> None:
    if path := expected.contract.health:
        answer = site.ask(path)
        assert answer.status_code == 200, f"{path}: status {answer.status_code} {answer.headers.get('Location', '')}"


def test_the_front_stands_before_the_app(site: Site, expected: Expected) -> None:
    if expected.contract.front:
        headers = site.ask("/").headers
        assert headers[RELEASE_HEADER] == expected.release
        assert headers["slipway-member"]
