"""The order of a migration, and a sentence for each way in which it can go wrong. The app answers as documented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.database import migration, rehearsal
from slipway.environment.reference import Release
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.progress import Progress
from slipway.tools.digitalocean import Cluster, Droplet
from slipway.verification import evidence
from slipway.verification.app import Refused
from tests.unit.slipway.projects import project

RELEASE = Release("v2", "c0ffee", "app-v2-0123456789ab", "s-1vcpu-1gb", "feed", {}, database_user="app_1")
CLUSTER = Cluster("id", "shop-local", "online", "15", "db-s-1vcpu-1gb", 1, "h", "p", 25060, "doadmin", "secret")
LIVE = Droplet(7, "shop-local-v1-12345678", "active", "198.18.0.7")
CANDIDATE = "198.18.0.8"
Answer = Mapping[str, Any] | Refused


class World:
    """Two droplets that answer, and the order in which they were asked."""

    def __init__(self, answers: Callable[[str, tuple[str, ...]], Answer | None], live: Droplet | None = LIVE) -> None:
        self.answers = answers
        self.asked: list[str] = []
        settings = SimpleNamespace(
            project=project(Path(), database={"version": "15", "size": "s", "nodes": 1}),
            environment="local",
            names=Names("shop", "local"),
            tag="slipway:shop:local",
            cluster="shop-local",
        )
        api = SimpleNamespace(
            cluster=lambda name, tag: CLUSTER,
            database_ca=lambda id: "PEM",
            live_droplet=lambda tag: live,
        )
        self.session: Any = SimpleNamespace(settings=settings, api=api, progress=Progress())

    def ask(self, release: str, arguments: tuple[str, ...]) -> Mapping[str, Any]:
        words = tuple(word for word in arguments if "timeout" not in word)
        self.asked.append(f"{release.split('-')[0]}: {' '.join(words)}")
        answer = self.answers(release, words) or {"ok": True}
        if isinstance(answer, Refused):
            raise answer
        return answer


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., World]:
    def make(answers: Callable[[str, tuple[str, ...]], Answer | None], **options: Any) -> World:
        found = World(answers, **options)

        @contextmanager
        def app(session: Any, release: str, address: str, *, settle: float = 0) -> Iterator[Any]:
            yield SimpleNamespace(
                release=release,
                ask=lambda *arguments, stdin=None, seconds=30: found.ask(release, arguments),
                database_user=lambda: "app_9",
            )

        def keep(session: Any, release: Release, address: str, error: PipelineError) -> Path:
            return tmp_path

        for module in (migration, rehearsal):
            monkeypatch.setattr(module, "app", app)
        monkeypatch.setattr(evidence, "keep", keep)
        return found

    return make


def expanding(release: str, words: tuple[str, ...]) -> Answer | None:
    """Two migrations are pending, and all goes well."""
    if "--status" in words:
        return {"current": 1, "latest": 3, "pending": [2, 3]}
    if "--to" in words:
        version = int(words[words.index("--to") + 1])
        return {
            "from": version - 1,
            "to": version,
            "applied": [{"version": version, "name": f"step-{version}", "ms": 1}],
        }
    if words[0] == "migrate":
        return {"from": 1, "to": 3, "applied": [{"version": v, "name": f"step-{v}", "ms": 1} for v in (2, 3)]}
    return None


def refusing(
    when: Callable[[str, tuple[str, ...]], bool], **answer: Any
) -> Callable[[str, tuple[str, ...]], Answer | None]:
    return lambda release, words: Refused(answer) if when(release, words) else expanding(release, words)


def test_each_step_is_rehearsed_with_the_live_release_before_the_real_one(world: Callable[..., World]) -> None:
    found = world(expanding)
    done = migration.migrate(found.session, RELEASE, CANDIDATE)
    assert (done.before, done.after, done.rehearsed_with) == (1, 3, "v1-12345678")
    assert found.asked == [
        "v2: migrate --status",
        "v2: migrate --drop-rehearsal app_rehearsal",
        "v2: migrate --rehearsal app_rehearsal --to 2 --role app_9",
        "v1: contract --database app_rehearsal",
        "v2: migrate --rehearsal app_rehearsal --to 3 --role app_9",
        "v1: contract --database app_rehearsal",
        "v1: migrate --drop-rehearsal app_rehearsal",
        "v2: migrate --role app_1",
        "v2: contract",
    ]


@pytest.mark.parametrize("live", [None, Droplet(8, "shop-local-v2-00000000", "active", CANDIDATE)])
def test_without_another_live_release_there_is_nothing_to_rehearse(
    world: Callable[..., World], live: Droplet | None
) -> None:
    found = world(expanding, live=live)
    assert migration.migrate(found.session, RELEASE, CANDIDATE).rehearsed_with is None
    assert found.asked == ["v2: migrate --status", "v2: migrate --role app_1", "v2: contract"]


def test_a_step_that_breaks_the_live_release_is_refused_and_nothing_was_touched(world: Callable[..., World]) -> None:
    broken = [{"query": "list notes", "error": "column does not exist"}]
    found = world(refusing(lambda release, words: words[0] == "contract", ok=False, failures=broken))
    with pytest.raises(PipelineError) as error:
        migration.migrate(found.session, RELEASE, CANDIDATE)
    for part in ("migration 2 (step-2) breaks the live release v1-12345678", "“list notes”", "column does not exist"):
        assert part in error.value.message
    assert found.asked[-1] == "v1: migrate --drop-rehearsal app_rehearsal"
    assert "v2: migrate --role app_1" not in found.asked


def real(release: str, words: tuple[str, ...]) -> bool:
    return words == ("migrate", "--role", "app_1")


@pytest.mark.parametrize(
    "answer, says",
    [
        ({"reason": "unreachable", "error": "connection refused"}, "The database does not answer"),
        ({"reason": "password", "error": "login refused"}, "The database refuses its administrator"),
        ({"reason": "locked", "error": "another migration", "version": 2}, "waited 5 s for a lock in vain"),
        ({"reason": "timeout", "error": "canceled", "version": 2}, "Migration 2 of v2-.* took longer than 60 s"),
        ({"reason": "migration", "error": "no such table", "version": 3}, "Migration 3 of v2-.* failed: no such table"),
    ],
)
def test_every_failure_is_a_sentence_of_its_own(world: Callable[..., World], answer: Any, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        migration.migrate(world(refusing(real, **answer)).session, RELEASE, CANDIDATE)


def test_a_failure_of_the_rehearsal_says_that_it_was_one(world: Callable[..., World]) -> None:
    answers = refusing(lambda release, words: "--to" in words, reason="migration", error="syntax error", version=2)
    found = world(answers)
    with pytest.raises(PipelineError, match="failed in its rehearsal: syntax error") as error:
        migration.migrate(found.session, RELEASE, CANDIDATE)
    assert "Nothing was changed" in error.value.hint
    assert not any(asked.endswith("--role app_1") for asked in found.asked)


def test_a_user_whose_password_was_changed_elsewhere_is_named(world: Callable[..., World]) -> None:
    answers = refusing(lambda release, words: words[0] == "contract", reason="password", error="login refused")
    with pytest.raises(PipelineError, match="refuses the user of v1-12345678") as error:
        migration.migrate(world(answers).session, RELEASE, CANDIDATE)
    assert "./invoke rotate database" in error.value.hint


@pytest.mark.parametrize("dead", [["v1"], ["v1", "v2"]])
def test_a_rehearsal_that_the_live_release_cannot_drop_is_dropped_by_the_candidate(
    world: Callable[..., World], dead: list[str]
) -> None:
    def answers(release: str, words: tuple[str, ...]) -> Answer | None:
        ended = any("--to" in asked for asked in found.asked)
        if "--drop-rehearsal" in words and ended and release.split("-")[0] in dead:
            return Refused({"reason": "unreachable", "error": "gone"})
        return expanding(release, words)

    found = world(answers)
    assert migration.migrate(found.session, RELEASE, CANDIDATE).after == 3
    dropping = [asked for asked in found.asked if "--drop-rehearsal" in asked]
    assert [asked.split(":")[0] for asked in dropping] == ["v2", "v1", "v2"]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"from": 1, "to": 3},
        {"from": "1", "to": 3, "applied": []},
        {"from": 1, "to": 3, "applied": None},
        {"from": 1, "to": 3, "applied": [{"version": 2}]},
        {"from": 1, "to": 3, "applied": [{"version": 2, "name": "x", "ms": "fast"}]},
    ],
)
def test_an_answer_of_the_app_that_cannot_be_used_is_one_sentence(
    world: Callable[..., World], odd: dict[str, Any]
) -> None:
    def status(release: str, words: tuple[str, ...]) -> Answer | None:
        return odd or {"pending": "none"}

    def migrated(release: str, words: tuple[str, ...]) -> Answer | None:
        return {"current": 3, "pending": []} if "--status" in words else odd or {"from": None}

    for answers in (status, migrated):
        with pytest.raises(PipelineError, match="gives an answer that cannot be used"):
            migration.migrate(world(answers).session, RELEASE, CANDIDATE)
