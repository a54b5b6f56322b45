"""What of the caller's environment reaches a program: by the lists, and by the real tools."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.tools.git.git import Git
from slipway.tools.git.refs import GitRefStore
from slipway.tools.programs import environment
from slipway.tools.programs.environment import DOWNLOADS, EVERYTHING, GIT, PIPELINE, STATE, compose
from slipway.tools.programs.process import call, show, stream
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform
from slipway.tools.toolchain import Toolchain

ROOT = Path(__file__).parents[5]
HOSTILE = {
    "TF_WORKSPACE": "staging",
    "TF_CLI_ARGS": "-no-such-flag",
    "TF_CLI_ARGS_plan": "-target=terraform_data.other",
    "TF_DATA_DIR": "/nowhere",
    "TF_VAR_name": "theirs",
    "TF_LOG": "TRACE",
    "TF_LOG_PATH": "/tmp/secrets.log",
    "TF_ENCRYPTION": "nonsense",
    "TF_REATTACH_PROVIDERS": "{}",
    "PKR_VAR_version": "v9",
    "PACKER_LOG": "1",
    "GOFLAGS": "-tags=other",
    "GOOS": "windows",
    "GOARCH": "386",
    "GOAMD64": "v3",
    "GOEXPERIMENT": "nosuchexperiment",
    "GOROOT": "/nowhere",
    "GODEBUG": "gctrace=1",
    "GOENV": "/nowhere",
    "CGO_ENABLED": "1",
    "CGO_CFLAGS": "-nonsense",
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_TRACE": "1",
    "GIT_EXTERNAL_DIFF": "false",
    "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
    "PYTHONPATH": "/nowhere",
    "PYTHONHOME": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTEST_ADDOPTS": "--collect-only",
    "INVOKE_TASKS_COLLECTION_NAME": "other",
    "LD_PRELOAD": "",
    "LD_LIBRARY_PATH": "/nowhere",
    "CDPATH": "/",
    "BASH_ENV": "/nowhere",
    "PGOPTIONS": "-c search_path=other",
    "PGSSLMODE": "disable",
    "SHELLCHECK_OPTS": "--severity=error",
}
MAY_PASS = {
    "GIT_AUTHOR_NAME": GIT,
    "GIT_SSH_COMMAND": GIT,
    "https_proxy": DOWNLOADS,
    "GOPROXY": DOWNLOADS,
    "PIP_INDEX_URL": DOWNLOADS,
    "SLIPWAY_STATE_KEY": PIPELINE,
    "DIGITALOCEAN_TOKEN": PIPELINE,
    "DEPLOY_SSH_KEY": PIPELINE,
    "VAULT_ADDR": PIPELINE,
    "TERRAFORM": PIPELINE,
    "PACKER": PIPELINE,
    "LOCALOCEAN_STATE": PIPELINE,
    "AWS_SECRET_ACCESS_KEY": STATE,
    "SPACES_ACCESS_KEY_ID": STATE,
    "TF_TOKEN_registry_example_com": STATE,
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything at once, in this process's own environment."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_change_a_run_reaches_no_program_and_is_named(name: str) -> None:
    caller = {"HOME": "/home/me", "PATH": "/bin", name: HOSTILE[name]}
    assert name not in compose(EVERYTHING, caller=caller)
    assert environment.hostile(caller) == [name]
    assert environment.notice([name]).endswith((f": {name}", "*"))


@pytest.mark.parametrize("name", MAY_PASS)
def test_what_some_programs_need_reaches_those_alone(name: str) -> None:
    caller = {"HOME": "/home/me", name: "value"}
    assert compose(MAY_PASS[name], caller=caller)[name] == "value"
    assert name not in compose(caller=caller)
    assert environment.hostile(caller) == []


def test_no_proxy_stands_between_opentofu_and_the_cloud() -> None:
    caller = {"HOME": "/", "http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    assert not {"http_proxy", "HTTPS_PROXY"} & set(compose(PIPELINE, STATE, caller=caller))


@pytest.mark.parametrize(
    ("given", "passes"),
    [("/usr/bin:.:/bin", "/usr/bin:/bin"), (":bin:/bin:", "/bin"), ("", None), ("bin:./sbin", None)],
)
def test_a_folder_of_path_is_the_same_wherever_a_program_runs(given: str, passes: str | None) -> None:
    assert compose(caller={"HOME": "/", "PATH": given})["PATH"] == (passes or environment._PATH)


def test_a_folder_for_temporary_files_that_is_not_there_is_not_used(tmp_path: Path) -> None:
    for given, passes in ((str(tmp_path), True), (str(tmp_path / "gone"), False), (".", False), ("", False)):
        assert ("TMPDIR" in compose(caller={"HOME": "/", "TMPDIR": given})) is passes


def test_every_program_gets_the_basics_and_nothing_unknown() -> None:
    basics = {"PATH": "/bin", "HOME": "/home/me", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "TERM": "xterm", "TMPDIR": "/"}
    assert compose(caller={**basics, "MY_OWN": "x"}) == {**basics, "PYTHONUTF8": "1"}


@pytest.mark.parametrize("given", [{}, {"HOME": ""}, {"HOME": "here"}])
def test_without_a_home_it_is_that_of_the_user_database(given: Mapping[str, str]) -> None:
    assert compose(caller=given)["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert Toolchain.from_environment(ROOT, given).cache.is_absolute()


def test_a_user_without_any_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(PipelineError, match="has no home directory"):
        compose(caller={})


def test_what_is_given_for_a_while_reaches_every_program(tmp_path: Path) -> None:
    with environment.giving({"SLIPWAY_RUN": "outer", "A": "1"}):
        with environment.giving({"SLIPWAY_RUN": "inner"}):
            assert call(["sh", "-c", "echo $SLIPWAY_RUN $A"], cwd=tmp_path).stdout == "inner 1\n"
        assert compose()["SLIPWAY_RUN"] == "outer"
    assert "A" not in compose() and "A" not in os.environ


def test_whatever_a_run_starts_can_be_found_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Also what a verb starts that OpenTofu's graph calls, which only inherits the name of its run.
    marks = {"SLIPWAY_RUN": "/runs/1.jsonl", "SLIPWAY_CHAOS": "a mark"}
    for name, value in marks.items():
        monkeypatch.setenv(name, value)
    for lists in ([], [GIT], [PIPELINE, STATE]):
        assert marks.items() <= compose(*lists).items()
    assert call(["printenv", *marks], cwd=tmp_path).stdout.splitlines() == list(marks.values())


def test_a_line_names_what_is_ignored_and_stays_short() -> None:
    assert environment.notice([]) == environment.notice(["PYTHONUNBUFFERED"]) == ""
    said = environment.notice(["PYTHONHOME", "PYTHONPATH", "TF_VAR_a", "TF_VAR_b", "TF_WORKSPACE"])
    assert said.endswith(": PYTHON*, TF_VAR_*, TF_WORKSPACE")


def test_libraries_of_this_process_see_it_no_more_and_a_secret_of_the_name_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "_ignored", {})
    own = {"PGPASSWORD": "secret", "TF_WORKSPACE": "x", "HOME": "/"}
    environment.drop(own)
    assert own == {"HOME": "/"}
    assert environment.ignored() == {"PGPASSWORD": "secret", "TF_WORKSPACE": "x"}


@pytest.mark.usefixtures("hostile")
def test_every_way_to_start_a_program_composes_its_environment(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os, sys; sys.stdout.write(' '.join(sorted(os.environ)))"]
    lines: list[str] = []
    stream(argv, cwd=tmp_path, env={"OWN": "1"}, on_line=lines.append)
    show(argv, cwd=tmp_path, say=lines.append)
    lines.append(call(argv, cwd=tmp_path).stdout)
    assert len(lines) == 3 and "OWN" in lines[0].split()
    for names in lines:
        assert not set(HOSTILE) & set(names.split())


def test_there_is_one_door_to_programs_and_one_composer() -> None:
    files = [ROOT / "tasks.py", *sorted((ROOT / "slipway").rglob("*.py"))]
    doors = r"subprocess\.(run|call|check_\w+|getoutput)\(|Popen\(|os\.(exec\w+|system|popen|(posix_)?spawn\w*)\("
    assert [path.name for path in files if re.search(doors, path.read_text())] == ["children.py"]
    assert [path.name for path in files if re.search(r"\*\*os\.environ|env=os\.environ", path.read_text())] == []


@pytest.mark.usefixtures("hostile")
def test_go_compiles_for_the_droplet_and_not_for_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GOSUMDB", "off")
    written = tmp_path / ".config" / "go" / "env"  # what `go env -w` writes
    written.parent.mkdir(parents=True)
    written.write_text("GOAMD64=v3\nGOFLAGS=-tags=other\nGOEXPERIMENT=jsonv2\nGOPROXY=https://proxy.example.com\n")
    toolchain = Toolchain(tmp_path, ROOT)
    asked = ["GOAMD64", "GOFLAGS", "GOOS", "GOROOT", "CGO_ENABLED", "GOEXPERIMENT", "GOPROXY", "GOSUMDB"]
    said = call([str(toolchain.go()), "env", "-json", *asked], cwd=tmp_path, env=toolchain.environment("go"))
    found = json.loads(said.stdout)
    assert found == {
        **{"GOAMD64": "v1", "GOFLAGS": "-mod=readonly", "GOOS": "linux", "CGO_ENABLED": "0", "GOEXPERIMENT": ""},
        **{"GOROOT": str(toolchain.go().parents[1])},
        **{"GOPROXY": "https://proxy.example.com", "GOSUMDB": "off"},  # where modules come from is the caller's word
    }


@pytest.mark.usefixtures("hostile")
def test_opentofu_plans_what_it_was_asked_and_nothing_else(tmp_path: Path) -> None:
    toolchain = Toolchain.from_environment(ROOT, os.environ)
    if not toolchain.tofu().exists():
        pytest.skip("OpenTofu is not built yet: ./invoke check")
    (tmp_path / "main.tf").write_text(
        'variable "name" {}\n'
        'resource "terraform_data" "app" {\n  input = var.name\n}\n'
        'resource "terraform_data" "other" {}\n'
        'output "where" {\n  value = "${terraform.workspace} ${var.name}"\n}\n'
    )
    folder = tmp_path / "work"
    variables = {"TF_VAR_name": "ours", "TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1"}
    engine = Terraform(toolchain.tofu(), Root(tmp_path, folder, tmp_path / "none"), variables, Encryption("k" * 32))
    (folder / ".terraform").mkdir(parents=True)  # which `init` makes where there are providers
    engine.init()
    changes = engine.plan(None, folder / "plan") or []
    assert sorted(each["resource"]["addr"] for each in changes) == ["terraform_data.app", "terraform_data.other"]
    engine.apply_plan(folder / "plan", lambda event: None)
    assert engine.outputs() == {"where": "default ours"}
    assert (folder / "terraform.tfstate").exists() and not Path(HOSTILE["TF_LOG_PATH"]).exists()


def test_all_that_git_itself_calls_local_to_a_repository_is_ignored() -> None:
    said = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True).stdout
    names = set(said.split()) - {"GIT_CONFIG_COUNT"}  # settings of the caller's, over which the pinned ones go
    assert {"GIT_DIR", "GIT_INDEX_FILE"} < names
    assert environment.hostile(names) == sorted(names)


def test_a_hook_of_another_repository_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("theirs", "ours"):
        subprocess.run(["git", "init", "--quiet", str(tmp_path / name)], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "theirs" / ".git" / "index"))
    (tmp_path / "ours" / "file").write_text("")
    GitRefStore(tmp_path / "ours", "refs/slipway/local/ledger").add({"run": "text"}, "A run", "tester")
    assert Git(tmp_path / "ours").changed(["."]) == ["file"]
    monkeypatch.delenv("GIT_DIR")
    assert GitRefStore(tmp_path / "ours", "refs/slipway/local/ledger").names() == ["run"]
    assert GitRefStore(tmp_path / "theirs", "refs/slipway/local/ledger").names() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a repository to somebody else")
def test_git_lets_root_by_sudo_into_the_repository_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "theirs"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    subprocess.run(["chown", "--recursive", "12345:12345", str(repository)], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(PipelineError) as error:
        Git(repository).changed(["."])
    assert "dubious ownership" in error.value.hint
    monkeypatch.setenv("SUDO_UID", "12345")
    assert Git(repository).changed(["."]) == []


# ---- `./invoke` as a whole, by its first program --------------------------------------------------------------------


def invoke(*words: str, closing: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """`start.py` as `./invoke` runs it, with nothing but these variables; ``closing`` is the shell's word for it."""
    python = [sys.executable, "-ESs", "-X", "utf8", str(ROOT / "start.py")]
    argv = ["sh", "-c", f'"$@" {closing}', "sh", *python, *words]
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", errors="replace")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "no-such-encoding"},
        {"LC_ALL": "C"},
        {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "HOME": ""},
        {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PYTHONWARNINGS": "error"},
    ],
    ids=lambda variables: " ".join(f"{name}={value}" for name, value in variables.items()),
)
def test_no_encoding_and_no_variable_of_pythons_ends_in_a_traceback(variables: Mapping[str, str]) -> None:
    done = invoke("test", "--only", "none", **variables)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "There is no suite" in done.stderr


@pytest.mark.parametrize("closing", ["| true", "2>&1 | true", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_an_output_that_nobody_reads_ends_in_no_traceback(closing: str) -> None:
    for words in (["--list"], ["test", "--only", "none"]):
        done = invoke(*words, closing=closing)
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr


def test_it_says_once_what_it_ignores() -> None:
    done = invoke("test", "--only", "none", TF_WORKSPACE="staging", GIT_DIR="/nowhere", GOPROXY="direct")
    said = [line for line in done.stderr.splitlines() if "ignored in your environment" in line]
    assert len(said) == 1 and said[0].endswith(": GIT_DIR, TF_WORKSPACE")


def test_a_project_is_compiled_once_and_not_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").touch()
    subprocess.run([sys.executable, "-ESs", str(ROOT / "start.py"), "--list"], cwd=tmp_path, capture_output=True)
    assert list(tmp_path.glob("__pycache__/tasks.*.pyc"))


def test_words_after_dashes_are_refused_where_nothing_takes_them() -> None:
    done = invoke("test", "--only", "none", "--", "systemctl", "stop", "app")
    assert done.returncode == 1 and "No verb of this line takes the words after --" in done.stderr


def test_a_variable_of_invokes_own_changes_no_verb() -> None:
    assert invoke("--list", INVOKE_TASKS_COLLECTION_NAME="other").stdout == invoke("--list").stdout


def test_a_users_own_configuration_of_invoke_changes_no_verb(tmp_path: Path) -> None:
    text = "tasks:\n  collection_name: other\n  auto_dash_names: false\n  executor_class: no.Such\n"
    (tmp_path / ".invoke.yaml").write_text(text)
    assert invoke("--list", HOME=str(tmp_path)).stdout == invoke("--list").stdout
    assert "There is no suite" in invoke("test", "--only", "none", HOME=str(tmp_path)).stderr


def test_the_local_clouds_own_command_line_forgives_an_encoding_too() -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii", "LOCALOCEAN_PORT": "ü"}
    argv = [sys.executable, "-m", "localocean", "status"]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 1 and done.stderr.startswith("? "), done.stderr


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="Packer is started with setpriv")
@pytest.mark.filterwarnings("ignore:module 'sre_.*:DeprecationWarning")
@pytest.mark.usefixtures("hostile")
def test_packer_gets_the_composed_environment_and_no_command_line_shows_it(tmp_path: Path) -> None:
    from slipway.tools.packer import Packer

    binary = tmp_path / "packer"
    binary.write_text('#!/bin/sh\n[ "$1" = build ] || exit 0\nenv\n')
    binary.chmod(0o755)
    lines: list[str] = []
    Packer(binary, {"DIGITALOCEAN_TOKEN": "it's a token"}).build(tmp_path, {}, lines.append)
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert found["DIGITALOCEAN_TOKEN"] == "it's a token" and not set(HOSTILE) & set(found)
    assert "slipway-packer-" not in found["PATH"]
