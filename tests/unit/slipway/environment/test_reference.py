"""The reference file: what deploying and going back make of it, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slipway.contract import Contract
from slipway.environment import reference
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError


def release(version: str, **config: str) -> Release:
    return Release(version, "c0ffee", f"app-{version}-0123456789ab", "s-1vcpu-1gb", "feed", config)


V1, V2, V3 = release("v1"), release("v2"), release("v3")


def after(*releases: Release) -> Reference:
    found = Reference()
    for each in releases:
        found = found.deploying(each)
    return found


def test_a_release_is_named_by_its_version_and_its_contents() -> None:
    assert V1.key.startswith("v1-")
    others = [
        replace(V1, image="app-v1-ba9876543210"),
        replace(V1, size="s-2vcpu-4gb"),
        replace(V1, template="beef"),
        replace(V1, config={"APP_MESSAGE": "hello"}),
    ]
    assert len({V1.key, *(other.key for other in others)}) == 5
    assert release("v1").key == V1.key


def test_the_first_release_has_no_way_back() -> None:
    first = after(V1)
    assert (first.live, first.standby, first.previous) == (V1.key, None, None)


def test_the_release_before_stays_warm_and_older_ones_go() -> None:
    third = after(V1, V2, V3)
    assert (third.live, third.standby, list(third.releases)) == (V3.key, V2.key, [V2.key, V3.key])


def test_without_a_standby_the_file_still_knows_the_way_back() -> None:
    second = after(V1).deploying(V2, standby=False)
    assert (second.standby, second.previous, second.running) == (None, V1.key, [V2.key])


def test_deploying_what_is_live_changes_nothing() -> None:
    second = after(V1, V2)
    assert second.deploying(V2) == second
    assert second.deploying(V2, standby=False) == replace(second, standby=None)


def test_going_back_makes_the_live_one_the_standby() -> None:
    back = after(V1, V2).deploying(V1)
    assert (back.live, back.standby, back.previous) == (V1.key, V2.key, V2.key)


def test_what_retires_runs_beside_a_reference_and_is_in_no_file() -> None:
    second = after(V1, V2)
    trial = second.beside({V1.key: V1, V3.key: V3})
    assert (trial.running, trial.retiring) == ([V2.key, V1.key, V3.key], (V3.key,))
    assert second.beside({V1.key: V1}) == second and json.loads(trial.dump())["retiring"] == [V3.key]
    with pytest.raises(ValueError, match="retiring is unknown"):
        Reference.parse(trial.dump())


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "local.tfvars.json"
    second = after(V1, release("v2", APP_MESSAGE='a "quoted" \\ text'))
    reference.write(path, second)
    assert reference.read(path) == second
    assert list(tmp_path.iterdir()) == [path]


def test_terraform_s_state_gives_the_same_reference() -> None:
    second = after(V1, V2)
    assert Reference.from_state(json.loads(second.dump())) == second
    assert Reference.from_state(None) == Reference()


def corrupt(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "corrupt"),
        ("[]", "it should be a table"),
        (corrupt(after(V1).dump(), extra=1), "extra is unknown"),
        (corrupt(after(V1).dump(), live="v9-none"), "v9-none is not among its releases"),
        (corrupt(after(V1).dump(), live=["v1"]), 'live is ["v1"]; it should be a text in quotes'),
        (corrupt(after(V1).dump(), live=None, standby=V1.key), "beside another release"),
        (corrupt(after(V1).dump(), standby=V1.key), "beside another release"),
        (corrupt(after(V1).dump(), releases=[]), "releases is []; it should be a table"),
        (corrupt(after(V1).dump(), releases={V1.key: {"version": "v1"}}), ".commit is missing"),
        (after(V1).dump().replace("s-1vcpu-1gb", "s-8vcpu-16gb"), "was edited under its name"),
        (
            after(release("v1", PORT="80")).dump().replace('"80"', "80"),
            ".config.PORT is 80; it should be a text in quotes",
        ),
        (
            after(release("v1", APP_MESSAGE="x")).dump().replace('"x"', r'"\ud800"'),
            "it is not JSON (unexpected end of hex escape at line 11",
        ),
        (
            after(release("v1", APP_MESSAGE="x")).dump().replace('"x"', r'"a\u0000b"'),
            '.config.APP_MESSAGE is "a\\u0000b"; the value has a NUL byte',
        ),
        (after(release("$(id)")).dump(), '.version is "$(id)"; it should be a version such as v1'),
    ],
)
def test_a_corrupt_file_is_refused_with_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "local.tfvars.json"
    path.write_text(text)
    with pytest.raises(PipelineError) as error:
        reference.read(path)
    assert says in error.value.message
    assert path.read_text() == text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="local.tfvars.json cannot be read"):
        reference.read(tmp_path / "local.tfvars.json")


@pytest.mark.parametrize(
    "config", [{"lower": "x"}, {"1ST": "x"}, {"A-B": "x"}, {"NUL": "a\0"}, {"A" * 101: "x"}, {"NOTIFY_SOCKET": "x"}]
)
def test_config_must_fit_into_an_environment(config: dict[str, str]) -> None:
    with pytest.raises(PipelineError):
        reference.check_config(config)


def test_other_config_is_taken() -> None:
    reference.check_config({"APP_MESSAGE": 'any "text" $at \\all\non two lines', "A1_B": ""})


def test_what_older_files_do_not_have_changes_no_key_while_it_is_empty() -> None:
    later = ("database", "secrets", "app", "templates")
    older = {name: value for name, value in asdict(V1).items() if not name.startswith(later)}
    assert hashlib.sha256(json.dumps(older, sort_keys=True).encode()).hexdigest()[:8] in V1.key
    assert Release.parse(older) == V1
    others = [replace(V1, database_user="app_1"), replace(V1, secrets={"APP_WRITE_TOKEN": "0123456789ab"})]
    assert len({V1.key, *(other.key for other in others)}) == 3


def test_the_next_database_user_is_one_that_no_release_has() -> None:
    assert reference.next_user(Reference()) == "app_1"
    known = after(replace(V1, database_user="app_9"), replace(V2, database_user="app_10"))
    assert reference.next_user(known) == "app_11"
    assert reference.next_user(after(replace(V1, database_user="v-token-app-x1"))) == "app_1"


def test_what_the_project_gives_every_release_is_not_to_be_set() -> None:
    reference.check_config({"PORT": "80"})
    with pytest.raises(PipelineError, match="PORT is not yours to set: slipway.toml gives it to every release"):
        reference.check_config({"PORT": "80"}, {"PORT": "{port}"})


def test_a_release_is_asked_as_its_image_promised() -> None:
    promised = replace(V1, app=Contract(front=True, port=3000, health="/healthz"))
    assert promised.key != V1.key
    assert Reference.parse(after(promised).dump()).releases[promised.key] == promised
    assert reference.url(after(promised), "198.18.0.9") == "http://198.18.0.9/"


@pytest.mark.parametrize(("said", "port"), [("8080", 8080), ("x", 80), ("", 80), ("0", 80), ("65536", 80)])
def test_a_release_that_is_older_than_contracts_is_asked_at_its_port(said: str, port: int) -> None:
    found = release("v1", PORT=said).contract
    assert (found.public_port, found.probe, found.health) == (port, "/version", "/health/ready")


def test_what_the_pipeline_sets_is_not_to_be_set() -> None:
    with pytest.raises(PipelineError, match="APP_DATABASE_URL is not yours to set"):
        reference.check_config({"APP_DATABASE_URL": "postgres://elsewhere/app"})


def test_a_release_that_was_gone_back_from_is_refused_without_a_reason() -> None:
    back = after(V1, V2).deploying(V1).rejecting(V2, "rolled back by ann@desk")
    reference.refuse_rejected(back, V1, "")
    reference.refuse_rejected(back, replace(V2, config={"APP_MESSAGE": "mended"}), "")
    with pytest.raises(PipelineError, match=rf"rolled back before: {V2.key}: rolled back by ann@desk"):
        reference.refuse_rejected(back, V2, "")
    reference.refuse_rejected(back, V2, "the database was at fault")


def test_other_credentials_do_not_make_a_bad_release_a_good_one() -> None:
    back = after(V1, V2).rejecting(V2, "lost requests")
    for other in (replace(V2, database_user="app_2"), replace(V2, secrets={"A": "1"})):
        with pytest.raises(PipelineError):
            reference.refuse_rejected(back, other, "")


def test_a_mark_goes_with_the_file_and_not_with_the_state(tmp_path: Path) -> None:
    back = after(V1, V2).deploying(V1).rejecting(V2, "lost requests")
    reference.write(tmp_path / "f", back)
    assert reference.read(tmp_path / "f").rejected == back.rejected != {}
    assert back == after(V1, V2).deploying(V1), "the world is the same, whatever is marked"
    assert "rejected" not in after(V1).dump()


def test_deploying_by_force_takes_the_mark_away_and_others_stay() -> None:
    marked = after(V1).rejecting(V2, "lost requests").rejecting(V3, "crashed")
    assert list(marked.deploying(V2).rejected) == [V3.mark]


def test_only_the_latest_marks_are_kept() -> None:
    marked = after(V1)
    for number in range(25):
        marked = marked.rejecting(release(f"v{number}"), "crashed")
    assert len(marked.rejected) == 20 and release("v24").mark in marked.rejected


def test_marks_that_are_no_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="rejected.v2 is 1; it should be a text in quotes"):
        Reference.parse(corrupt(after(V1).dump(), rejected={"v2": 1}))
