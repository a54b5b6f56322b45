"""Two releases compared: everything that differs is said once, and no secret is."""

from __future__ import annotations

import json
from dataclasses import replace

from slipway.environment.reference import Release
from slipway.image.manifest import Entry, Manifest
from slipway.reports.diff import Difference, Side, compare, render

V1 = Release(
    version="v1",
    commit="c1",
    image="app-v1-aaaaaaaaaaaa",
    size="s-1vcpu-1gb",
    template="a" * 64,
    config={"APP_MESSAGE": "old", "PORT": "80"},
    database_user="app_1",
    secrets={"APP_KEPT": "111111111111", "APP_OLD": "222222222222", "APP_TURNED": "333333333333"},
)
V2 = replace(
    V1,
    version="v2",
    image="app-v2-bbbbbbbbbbbb",
    size="s-2vcpu-2gb",
    config={"APP_MESSAGE": "new", "APP_DRAIN_DELAY": "1s"},
    database_user="app_2",
    secrets={"APP_KEPT": "111111111111", "APP_NEW": "444444444444", "APP_TURNED": "555555555555"},
)
OLD = Manifest(
    image=V1.image,
    files={
        "/same": Entry("-rw-r--r--", "root:root", 1, "aa"),
        "/gone": Entry("-rw-r--r--", "root:root", 7, "bb"),
        "/opt/app/app": Entry("-rwxr-xr-x", "root:root", 100, "cc"),
        "/mode": Entry("-rw-r--r--", "root:root", 1, "dd"),
    },
    packages={"curl:amd64": "7.88", "less:amd64": "590"},
    units={"app.service": "enabled"},
    migrations=[{"version": 1, "name": "notes", "sha256": "s1"}],
    settings=["APP_MESSAGE", "PORT"],
)
NEW = Manifest(
    image=V2.image,
    files={
        "/same": OLD.files["/same"],
        "/come": Entry("lrwxrwxrwx", "root:root", 0, "same"),
        "/opt/app/app": Entry("-rwxr-xr-x", "root:root", 120, "ee"),
        "/mode": Entry("-rw-------", "app:app", 1, "dd"),
    },
    packages={"curl:amd64": "7.89", "jq:amd64": "1.6"},
    units={"app.service": "enabled", "extra.timer": "enabled"},
    migrations=[{"version": 1, "name": "notes", "sha256": "s1"}, {"version": 2, "name": "pinned", "sha256": "s2"}],
    settings=["APP_DRAIN_DELAY", "APP_MESSAGE", "PORT"],
)


def difference() -> Difference:
    return compare(Side(V1.key, V1.image, V1), Side(V2.key, V2.image, V2), OLD, NEW)


def test_everything_that_differs_is_told() -> None:
    assert render(difference()).splitlines() == [
        f"{V1.key} → {V2.key}",
        "files:",
        "  + /come (lrwxrwxrwx root:root, 0 bytes)",
        "  - /gone (-rw-r--r-- root:root, 7 bytes)",
        "  ~ /mode: -rw-r--r-- → -rw-------; root:root → app:app",
        "  ~ /opt/app/app: contents, 100 → 120 bytes",
        "packages:",
        "  + jq:amd64 1.6",
        "  - less:amd64 590",
        "  ~ curl:amd64: 7.88 → 7.89",
        "units:",
        "  + extra.timer enabled",
        "settings that the app knows:",
        "  + APP_DRAIN_DELAY",
        "schema:",
        "  + 2 pinned s2",
        "config:",
        "  + APP_DRAIN_DELAY 1s",
        "  - PORT 80",
        "  ~ APP_MESSAGE: old → new",
        "droplet:",
        "  ~ database user: app_1 → app_2",
        "  ~ size: s-1vcpu-1gb → s-2vcpu-2gb",
        "secrets:",
        "  = APP_KEPT (same)",
        "  + APP_NEW (added)",
        "  - APP_OLD (removed)",
        "  ~ APP_TURNED (changed)",
    ]


def test_the_same_as_data() -> None:
    told = json.loads(json.dumps(difference().as_json()))
    assert set(told["files"]["changed"]) == {"/mode", "/opt/app/app"}
    assert told["config"]["changed"] == {"APP_MESSAGE": ["old", "new"]}
    assert told["secrets"]["APP_TURNED"] == "changed"


def test_a_migration_whose_text_changed_is_a_difference() -> None:
    edited = replace(NEW, migrations=[{"version": 1, "name": "notes", "sha256": "other"}])
    found = compare(Side("a", V1.image, V1), Side("b", V2.image, V2), OLD, edited)
    assert found.schema and found.schema.changed == {"1 notes": ("s1", "other")}


def test_nothing_differs_between_a_release_and_itself() -> None:
    side = Side(V1.key, V1.image, V1)
    found = compare(side, side, OLD, OLD)
    assert not found
    assert render(found).splitlines()[-1] == "Nothing differs."


def test_what_cannot_be_compared_is_said_and_not_taken_for_the_same() -> None:
    found = compare(Side("v1", V1.image, None), Side(V2.key, V2.image, V2), replace(OLD, migrations=None), NEW)
    assert (found.config, found.secrets, found.boot, found.schema) == (None, None, None, None)
    text = render(found)
    assert "not compared: config, secrets and size, for v1 was never released here" in text
    assert "not compared: the schema" in text


def test_a_long_list_is_cut_for_a_person_alone() -> None:
    many = replace(NEW, files={f"/f{n:03}": Entry("-", "root:root", 1, "x") for n in range(100)})
    found = compare(Side("a", V1.image, V1), Side("b", V2.image, V2), replace(OLD, files={}), many)
    assert "  … and 60 more: --json has them all" in render(found)
    assert len(found.as_json()["files"]["added"]) == 100
