"""Who holds an environment, as the name of a key says it; how the key itself behaves is in tests/contract."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

from slipway.runs import account_lock
from slipway.runs.account_lock import Holder


def test_a_name_says_who_and_what_and_since_when() -> None:
    held = account_lock.holder("shop:local", "deploy v2", "ann@desk", "20261121T113000Z-ab12cd")
    assert Holder.parse(held.name) == held
    assert str(held).startswith("deploy v2 by ann@desk, run 20261121T113000Z-ab12cd, since 20")


def test_a_name_stays_short_and_harmless_whatever_is_put_in() -> None:
    held = account_lock.holder(
        "a-long-project:local-ten", 'deploy "v:2"\n' + "x" * 200, "ä:" * 90, "20261121T113000Z-ab12cd"
    )
    assert len(held.name) < 255 and held.name.count(":") == 9
    parsed = Holder.parse(held.name)
    assert parsed == held and parsed.what.startswith("deploy -v-2--xxx")


def test_other_keys_of_the_account_are_no_locks() -> None:
    for name in ("packer-1234", "slipway-local", "slipway-lock:local", "slipway-lock:a:b:c:d:e:f:g:h:i"):
        assert Holder.parse(name) is None


def test_only_a_process_of_this_machine_that_is_gone_is_dead_at_once() -> None:
    held = account_lock.holder("shop:local", "deploy", "ann@desk", "r")
    child = subprocess.Popen(["true"])
    child.wait()
    assert not held.is_dead_here
    assert replace(held, pid=child.pid).is_dead_here
    assert not replace(held, pid=child.pid, place="elsewhere-1").is_dead_here
    assert not replace(held, pid=os.getppid()).is_dead_here
