"""Settings, environments and clouds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Cloud, CutoverSettings, Project, choose_cloud, choose_environment
from pipeline.errors import PipelineError

ROOT = Path(__file__).parents[3]
LOCAL = Cloud("local", "http://127.0.0.1:1", "secret")


def local() -> Cloud:
    return LOCAL


def digitalocean_only() -> Cloud:
    raise AssertionError("the local cloud was started")


def test_the_project_s_own_file_is_valid() -> None:
    assert Project.load(ROOT).base_image == "debian-12-x64"


NAMED = "[project]\nname = 'shop'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[project]\nname = 'My Shop'", "no valid project.name"),
        ("[project]\nname = 'shop-'", "no valid project.name"),
        ("[project]\nname = 7", "no valid project.name"),
        ("[image", "cannot be read"),
        ("[image]\nbase = 'x'\nbas = 'y'", "unknown setting: image.bas"),
        ("colour = 1", "unknown setting: colour"),
        (NAMED + "[image]\nbase = 1", "no valid image.base"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "slipway.toml").write_text(text)
    with pytest.raises(PipelineError, match=says):
        Project.load(tmp_path)


def test_a_project_without_a_name_is_told_the_line_to_add(tmp_path: Path) -> None:
    folder = tmp_path / "My_Shop 2"
    folder.mkdir()
    (folder / "slipway.toml").write_text("[image]\nbase = 'debian-12-x64'")
    with pytest.raises(PipelineError, match="no project.name") as refused:
        Project.load(folder)
    assert '[project]\nname = "my-shop-2"' in refused.value.hint


WHOLE = """
[project]
name = "shop"
[image]
base = "debian-12-x64"
[droplet]
region = "fra1"
size = "s-1vcpu-1gb"
[verification]
deadline = 60
"""


def test_the_database_is_what_the_file_says_and_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text(WHOLE)
    assert Project.load(tmp_path).database is None
    file.write_text(WHOLE + "[database]\nversion = '15'\nsize = 'db-s-1vcpu-1gb'\nnodes = 1\nlock_timeout = 2\n")
    found = Project.load(tmp_path).database
    assert found is not None
    assert (found.version, found.nodes, found.trusted_sources) == ("15", 1, ())
    assert (found.migration_timeout, found.lock_timeout) == (60, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[database]\nversion = 15\nsize = 's'\nnodes = 1", "no valid database.version"),
        ("[database]\nversion = '15'\nnodes = 1", "no valid database.size"),
        ("[database]\nversion = '15'\nsize = 's'\nnodes = true", "no valid database.nodes"),
        ("[database]\nversion = '15'\nsize = 's'\nnodes = 1\nmigration_timeout = 0", "no valid database.migration_t"),
        ("[database]\nversion = '15'\nsize = 's'\nnodes = 1\ntrusted_sources = ['home']", "trusted_sources: home"),
        ("[state]\nencryption = 'maybe'", "no valid state.encryption"),
        ("[cutover]\nmax_lost = -1", "no valid cutover.max_lost"),
        ("[cutover]\nmax_lost = true", "no valid cutover.max_lost"),
        ("[cutover]\nmax_gap = 500", "500 is not a duration"),
        ("[cutover]\nsoak = 'long'", "'long' is not a duration"),
        ("[ledger]\nremote = '--upload-pack=x'", "no valid ledger.remote"),
    ],
)
def test_a_wrong_setting_of_the_database_or_the_state_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "slipway.toml").write_text(WHOLE + text)
    with pytest.raises(PipelineError, match=says):
        Project.load(tmp_path)


def test_trusted_sources_are_addresses_ranges_tags_and_droplets(tmp_path: Path) -> None:
    sources = "['203.0.113.7', '198.51.100.0/24', 'tag:ops', 'droplet:42']"
    table = f"[database]\nversion = '15'\nsize = 's'\nnodes = 1\ntrusted_sources = {sources}"
    (tmp_path / "slipway.toml").write_text(WHOLE + table)
    found = Project.load(tmp_path).database
    assert found is not None
    assert found.trusted_sources == (
        ("droplet", "42"),
        ("ip_addr", "198.51.100.0/24"),
        ("ip_addr", "203.0.113.7"),
        ("tag", "ops"),
    )


def test_the_environment_follows_from_the_token() -> None:
    assert choose_environment(ROOT, {}, None) == "local"
    assert choose_environment(ROOT, {"DIGITALOCEAN_TOKEN": "x"}, None) == "production"
    assert choose_environment(ROOT, {"DIGITALOCEAN_TOKEN": "x"}, "local") == "local"


def test_exports_of_the_local_cloud_still_mean_the_local_cloud() -> None:
    environ = {"DIGITALOCEAN_TOKEN": "x", "DIGITALOCEAN_API_URL": "http://127.0.0.1:8484"}
    assert choose_environment(ROOT, environ, None) == "local"


@pytest.mark.parametrize("name", ["staging", "../local", "Local"])
def test_an_unknown_environment_is_refused_and_the_known_are_named(name: str) -> None:
    with pytest.raises(PipelineError, match="local, production"):
        choose_environment(ROOT, {}, name)


def test_local_environments_live_on_the_local_cloud() -> None:
    assert choose_cloud("local", {"DIGITALOCEAN_TOKEN": "x"}, local) == LOCAL
    assert choose_cloud("local-rehearsal", {}, local) == LOCAL


def test_others_need_a_token() -> None:
    with pytest.raises(PipelineError, match="DIGITALOCEAN_TOKEN is not set"):
        choose_cloud("production", {}, digitalocean_only)
    cloud = choose_cloud("production", {"DIGITALOCEAN_TOKEN": "x"}, digitalocean_only)
    assert cloud.environment == {
        "DIGITALOCEAN_API_URL": "https://api.digitalocean.com",
        "DIGITALOCEAN_END_POINT": "https://api.digitalocean.com/v2/",
        "DIGITALOCEAN_TOKEN": "x",
        "DIGITALOCEAN_ACCESS_TOKEN": "x",
    }


def test_limits_of_the_file_hold_unless_a_command_gives_others(tmp_path: Path) -> None:
    (tmp_path / "slipway.toml").write_text(WHOLE + "[cutover]\nmax_lost = 0\nmax_gap = '500ms'\nsoak = '1m'")
    limits = Project.load(tmp_path).cutover
    assert (limits.max_lost, limits.max_gap, limits.soak) == (0, 500, 60)
    other = limits.but({"max_lost": 3, "soak": "2s"})
    assert (other.max_lost, other.max_gap, other.soak) == (3, 500, 2)
    (tmp_path / "slipway.toml").write_text(WHOLE)
    assert Project.load(tmp_path).cutover == CutoverSettings()
