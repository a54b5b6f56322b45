"""What `slipway.toml` may say, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from devtools.schema import PATH, text
from slipway.data import schema
from slipway.errors import PipelineError
from slipway.project import Limits, Project, ProjectFile

ROOT = Path(__file__).parents[3]


def test_the_project_s_own_file_is_valid() -> None:
    assert Project.load(ROOT).image.base == "debian-12-x64"


NAMED = "[project]\nname = 'shop'\n"


def refusal(folder: Path, data: bytes) -> str:
    """Message and hint of the error with which a file is refused."""
    (folder / "slipway.toml").write_bytes(data)
    with pytest.raises(PipelineError) as error:
        Project.load(folder)
    return f"{error.value.message}\n{error.value.hint}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[project]\nname = 'My Shop'", "project.name is"),
        ("[project]\nname = 'shop-'", "project.name is"),
        ("[project]\nname = 7", "project.name is"),
        ("[image", "is not TOML"),
        ("[image]\nbase = 'x'\nbas = 'y'", "image.bas is unknown; did you mean base?"),
        ("colour = 1", "colour is unknown; known are"),
        (NAMED + "[image]\nbase = 1", "image.base is 1; it should be a slug such as s-1vcpu-1gb"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(tmp_path, text.encode())


@pytest.mark.parametrize("table", ["", "[project]\n"])
def test_a_project_without_a_name_is_told_the_line_to_add(tmp_path: Path, table: str) -> None:
    folder = tmp_path / "My_Shop 2"
    folder.mkdir()
    rest = "[droplet]\nregion = 'fra1'\nsize = 's'\n[verification]\ndeadline = 60"
    (folder / "slipway.toml").write_text(f"{table}[image]\nbase = 'debian-12-x64'\n{rest}")
    with pytest.raises(PipelineError, match=r"project(\.name)? is missing") as refused:
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
        ("[database]\nversion = 15\nsize = 's'\nnodes = 1", "database.version is"),
        ("[database]\nversion = '15'\nnodes = 1", "database.size is"),
        ("[database]\nversion = '15'\nsize = 's'\nnodes = true", "database.nodes is"),
        (
            "[database]\nversion = '15'\nsize = 's'\nnodes = 1\nmigration_timeout = 0",
            "database.migration_timeout is",
        ),
        (
            "[database]\nversion = '15'\nsize = 's'\nnodes = 1\ntrusted_sources = ['home']",
            'trusted_sources.0 is "home"; it should be an address',
        ),
        ("[state]\nencryption = 'maybe'", "state.encryption is"),
        ("[cutover]\nmax_lost = -1", "cutover.max_lost is"),
        ("[cutover]\nmax_lost = true", "cutover.max_lost is"),
        ("[cutover]\nmax_gap = 500", "cutover.max_gap is 500; it should be a duration such as 500ms, 2s or 1m"),
        ("[cutover]\nsoak = 'long'", 'cutover.soak is "long"; it should be a duration'),
        ("[ledger]\nremote = '--upload-pack=x'", "ledger.remote is"),
    ],
)
def test_a_wrong_setting_of_the_database_or_the_state_is_named(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(tmp_path, (WHOLE + text).encode())


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


def trusting(folder: Path, *sources: str) -> Sequence[tuple[str, str]]:
    """What a slipway.toml with these trusted sources means."""
    table = f"[database]\nversion = '15'\nsize = 's'\nnodes = 1\ntrusted_sources = {list(sources)}"
    (folder / "slipway.toml").write_text(WHOLE + table)
    found = Project.load(folder).database
    assert found is not None
    return found.trusted_sources


@pytest.mark.parametrize("sources", [["0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["8.0.0.0/8", "9.0.0.0/8"]])
def test_a_database_is_not_opened_to_much_of_the_internet_by_a_number(tmp_path: Path, sources: list[str]) -> None:
    with pytest.raises(PipelineError, match="it would open the database to") as error:
        trusting(tmp_path, *sources)
    assert '"everybody"' in error.value.message


def test_a_database_is_opened_to_everybody_by_the_word(tmp_path: Path) -> None:
    assert trusting(tmp_path, "everybody") == (("ip_addr", "0.0.0.0/0"),)
    assert trusting(tmp_path, "10.0.0.0/8", "12.0.0.0/8") == (("ip_addr", "10.0.0.0/8"), ("ip_addr", "12.0.0.0/8"))


def test_limits_of_the_file_hold_unless_a_command_gives_others(tmp_path: Path) -> None:
    (tmp_path / "slipway.toml").write_text(WHOLE + "[cutover]\nmax_lost = 0\nmax_gap = '500ms'\nsoak = '1m'")
    limits = Project.load(tmp_path).limits
    assert (limits.max_lost, limits.max_gap, limits.soak) == (0, 500, 60)
    other = limits.but({"max_lost": 3, "soak": "2s"})
    assert (other.max_lost, other.max_gap, other.soak) == (3, 500, 2)
    (tmp_path / "slipway.toml").write_text(WHOLE)
    assert Project.load(tmp_path).limits == Limits()


def test_all_that_is_wrong_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    wrong = """
[project]
name = "shop"
[image]
base = ""
deadline = "1h"
[droplet]
region = "fra 1"
sise = "s-1vcpu-1gb"
[verification]
deadline = -5
[database]
version = "15"
size = "s"
nodes = 99
trusted_sources = ["203.0.113.7", 7]
lock_timeout = nan
[retention]
images = 1.5
[secrets.vault]
path = "slipway/{env}"
adress = "x"
[ledger]
remote = "a b"
[cutover]
max_gap = "-1s"
"""
    said = refusal(tmp_path, wrong.encode())
    places = ["image.base", "image.deadline", "droplet.region", "droplet.sise", "droplet.size", "verification.deadline"]
    places += ["database.nodes", "database.trusted_sources.1", "database.lock_timeout", "retention.images"]
    places += ["secrets.vault.path", "secrets.vault.adress", "ledger.remote", "cutover.max_gap"]
    assert said.startswith(f"slipway.toml has {len(places)} mistakes.")
    for place in places:
        assert f"\n{place} is " in said
    assert "verification.deadline is -5; it should be seconds from 1 to 3600" in said


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_and_windows_newlines_change_nothing(tmp_path: Path, mark: bytes, newline: str) -> None:
    (tmp_path / "slipway.toml").write_bytes(mark + WHOLE.replace("\n", newline).encode())
    assert Project.load(tmp_path).droplet.size == "s-1vcpu-1gb"


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, WHOLE.encode() + "# größer\n".encode("latin-1"))
    line = WHOLE.count("\n") + 1
    assert f"slipway.toml is not UTF-8: line {line} has the byte 0xf6." in said and "iconv" in said
    assert "is not UTF-8: line 1" in refusal(tmp_path, WHOLE.encode("utf-16"))


def test_any_value_of_any_type_anywhere_ends_in_a_sentence(tmp_path: Path) -> None:
    tables = ["project", "image", "droplet", "verification", "database", "retention", "state", "secrets", "ledger"]
    for value in (
        "true",
        "-1",
        "1e400",
        "nan",
        "99999999999999999999",
        "''",
        "[]",
        "[[]]",
        "{}",
        "{a = 1}",
        "1979-05-27",
    ):
        for table in [*tables, "cutover", "secrets.vault"]:
            names = ["name", "base", "deadline", "region", "size", "version", "nodes", "trusted_sources", "images"]
            names += [
                "encryption",
                "names",
                "source",
                "vault",
                "remote",
                "max_lost",
                "max_gap",
                "soak",
                "path",
                "address",
            ]
            for name in names:
                (tmp_path / "slipway.toml").write_text(f"[{table}]\n{name} = {value}\n")
                with pytest.raises(PipelineError):
                    Project.load(tmp_path)
        (tmp_path / "slipway.toml").write_text("".join(f"{table} = {value}\n" for table in tables))
        with pytest.raises(PipelineError):
            Project.load(tmp_path)


def test_the_schema_for_editors_is_that_of_the_file() -> None:
    """`python -m devtools.schema` writes it."""
    assert PATH.read_text() == text()
    first = (ROOT / "slipway.toml").read_text().splitlines()[0]
    assert first == "#:schema ./docs/slipway.schema.json"


def test_the_schema_describes_every_setting() -> None:
    tables = schema(ProjectFile)["$defs"].values()
    assert [name for table in tables for name, each in table["properties"].items() if "description" not in each] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "url = 'https://e.com/{version}'\nmodule = 'e.com/x@{version}'",
            "it has module and url, and the app can come from one place",
        ),
        ("build = 'make'", "build and folder belong together"),
        ("folder = 'dist'", "build and folder belong together"),
        ("module = 'e.com/x@v1'", 'app.module is "e.com/x@v1"; it should be such as example.com/shop/v2@{version}'),
        ("url = 'ftp://e.com/x'", "app.url is"),
        ("command = 'serve'", "it should be a command with a whole path"),
        ("unit = 'forking'", "app.unit is"),
        ("writable = ['/etc']", "app.writable.0 is"),
        ("packages = ['a b']", "app.packages.0 is"),
        ("scripts = ['../x.sh']", "app.scripts.0 is"),
        ("health = 'healthz'", 'app.health is "healthz"; it should be a path such as /healthz'),
        ("port = 0", "app.port is 0; it should be a port from 1 to 65535"),
        (
            "[app.loosen]\nNoNewPrivileges = 'x'",
            "it should be one of DevicePolicy, LockPersonality, MemoryDenyWriteExecute, ",
        ),
        ("[app.loosen]\nProtectHome = ' '", "app.loosen.ProtectHome is"),
        ("[app.sums]\nv1 = 'abc'", "app.sums.v1 is"),
        ("[app.settings]\nURL = '{host}'", "{host} stands for nothing; there are {port}, {version}, {commit}, {url}"),
        ("[app.settings]\nAPP_RELEASE = 'x'", "slipway itself sets this variable"),
    ],
)
def test_what_cannot_be_an_app_is_said_with_its_setting(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(tmp_path, f"{WHOLE}[app]\n{text}\n".encode())


def test_a_variable_is_the_images_or_the_releases(tmp_path: Path) -> None:
    settings = "PORT = '{port}'\nBASE_URL = '{url}/shop'\nDATABASE_URL = '{database_url}'\nMODE = 'fast'"
    (tmp_path / "slipway.toml").write_text(f"{WHOLE}[app.settings]\n{settings}\n")
    app = Project.load(tmp_path).app
    assert app.fixed == {"PORT": "{port}", "MODE": "fast"}
    assert app.templates == {"BASE_URL": "{url}/shop", "DATABASE_URL": "{database_url}"}
