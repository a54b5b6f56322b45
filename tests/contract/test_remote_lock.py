"""The lock across machines, on keys of a real account: one holder, dead ones replaced, nobody changed by mistake."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.config import Cloud
from slipway.environment.keys import DeployKey
from slipway.errors import PipelineError
from slipway.runs import account_lock
from slipway.runs.account_lock import Holder, LockLost, RemoteLock, Rhythm
from slipway.tools.account import Account, fingerprint
from tests.contract.support import Api
from tests.support import until

pytestmark = pytest.mark.usefixtures("clean")

QUICK = Rhythm(beat=0.1, stale=2, watch=0.3)


@pytest.fixture
def account(api: Api) -> Account:
    return Account(Cloud("local", api.endpoint, api.token))


@pytest.fixture
def public(tmp_path: Path) -> Iterator[str]:
    yield DeployKey.load(tmp_path, None).lock_key("shop:local")


def holder(run: str, **changes: object) -> Holder:
    made = account_lock.holder("shop:local", "deploy v2", "ann@desk", run)
    return replace(made, **changes)  # type: ignore[arg-type]


def names(api: Api) -> list[str]:
    return [key["name"] for key in api.get("/v2/account/keys")["ssh_keys"]]


def silent(text: str) -> None:
    """For what is said while a lock is taken."""


def test_a_second_run_is_told_who_what_and_since_when(api: Api, account: Account, public: str) -> None:
    with account_lock.held(account, public, holder("r1"), silent, QUICK):
        with (
            pytest.raises(PipelineError, match=r"has local: deploy v2 by ann@desk, run r1, since 20.* UTC, last heard"),
            account_lock.held(account, public, holder("r2"), silent, QUICK),
        ):
            pass
        assert len(names(api)) == 1
    assert names(api) == []


def test_of_many_at_once_one_gets_it(api: Api, account: Account, public: str) -> None:
    together = threading.Barrier(8)

    def one(number: int) -> bool:
        mine = RemoteLock(account, public, holder(f"r{number}"), QUICK)
        together.wait()
        try:
            mine.take(silent)
        except PipelineError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1
    assert len(names(api)) == 1


def test_the_name_shows_signs_of_life(api: Api, account: Account, public: str) -> None:
    old = holder("r1", heartbeat=int(time.time()) - 50)
    with account_lock.held(account, public, old, silent, QUICK):
        until(lambda: "r1" in names(api)[0] and names(api)[0] != old.name, 10)


def test_a_dead_run_of_another_machine_is_replaced_and_named(api: Api, account: Account, public: str) -> None:
    dead = holder("r1", place="elsewhere-1", heartbeat=int(time.time()) - 120)
    account.add_key(dead.name, public)
    said: list[str] = []
    with account_lock.held(account, public, holder("r2"), said.append, QUICK):
        assert ":r2:" in names(api)[0]
    assert said[0].startswith("watching") and said[1].startswith("taking over from a dead run: deploy v2 by ann@desk")


def test_a_run_whose_clock_is_wrong_is_not_taken_for_dead(api: Api, account: Account, public: str) -> None:
    behind = holder("r1", place="elsewhere-1", heartbeat=int(time.time()) - 7200)
    key = account.add_key(behind.name, public)
    assert key
    alive = threading.Timer(0.1, account.rename_key, (key.id, replace(behind, heartbeat=behind.heartbeat + 15).name))
    alive.start()
    with pytest.raises(PipelineError, match="Another run has local"):
        RemoteLock(account, public, holder("r2"), QUICK).take(silent)
    alive.join()


def test_a_dead_run_of_this_machine_is_replaced_at_once(api: Api, account: Account, public: str) -> None:
    account.add_key(holder("r1", pid=2**22 + 1).name, public)
    start = time.monotonic()
    with account_lock.held(account, public, holder("r2"), silent):
        assert time.monotonic() - start < 10  # and not the minute that a stranger is given


def test_who_was_taken_for_dead_stops_and_removes_nothing(api: Api, account: Account, public: str) -> None:
    with account_lock.held(account, public, holder("r1"), silent, QUICK) as lost:
        lost.check()
        found = account.key(fingerprint(public))
        assert found
        account.remove_key(found.id)
        account.add_key(holder("r2").name, public)

        def noticed() -> bool:
            try:
                lost.check()
            except LockLost:
                return True
            return False

        until(noticed, 10)
    assert [Holder.parse(name).run for name in names(api)] == ["r2"]  # type: ignore[union-attr]


def test_a_key_of_somebody_s_own_in_its_place_is_left_alone(api: Api, account: Account, public: str) -> None:
    account.add_key("mine", public)
    with pytest.raises(PipelineError, match="'mine' of the account stands where a lock would"):
        RemoteLock(account, public, holder("r1"), QUICK).take(silent)
    assert names(api) == ["mine"]


def test_a_cloud_that_fails_for_a_moment_is_asked_again(api: Api, account: Account, public: str) -> None:
    api.fault(kind="response", status=500, method="POST", path="/v2/account/keys", count=1)
    with account_lock.held(account, public, holder("r1"), silent, QUICK):
        assert ":r1:" in names(api)[0]
