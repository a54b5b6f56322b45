"""Run the provider's acceptance tests against a local cloud of their own, and say how they went.

`python -m tests.upstream [PATTERN]`: with a pattern only the tests whose names it matches, and no report.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

from slipway.errors import PipelineError
from slipway.tools.toolchain import TOOLS, Toolchain
from tests.support import own_cloud
from tests.upstream import report, tests
from tests.upstream.tests import FAILED, PASSED, UNSUPPORTED, Outcome

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "upstream"
TESTS = "provider-acceptance"
Settings = Mapping[str, Mapping[str, str]]


def main(pattern: str = "") -> int:
    """The exit status: 1 when a test that must pass does not."""
    began = time.monotonic()
    settings = tomllib.loads((HERE / "settings.toml").read_text())
    toolchain = Toolchain.from_environment(ROOT, os.environ)
    toolchain.ensure((TESTS, "opentofu"), _say)
    binary = toolchain.folder(TESTS) / TOOLS[TESTS].binary
    wanted = [name for name in tests.listed(binary) if re.search(pattern, name)]
    with own_cloud("upstream") as cloud, tempfile.TemporaryDirectory(prefix="upstream-") as folder:
        cloud = {**cloud, **_environment(settings)}
        _say(f"running {len(wanted)} of the provider's acceptance tests (about 10 minutes) …")
        env = {**_client(toolchain, Path(folder)), **_up(cloud)}
        outcomes = _judge(binary, wanted, env, Path(folder), settings)
    must = set(report.read_list(HERE / "must-pass.txt"))
    broken = sorted(outcome.name for outcome in outcomes if outcome.name in must and outcome.result != PASSED)
    for outcome in outcomes:
        if outcome.result != PASSED:
            _say(f"  {report.MARKS[outcome.result]} {outcome.name}: {outcome.said}")
    _say(f"{report.summary(outcomes)}, in {time.monotonic() - began:.0f} s")
    if not pattern:
        _write(outcomes, settings)
    if broken:
        _say(f"✗ These must pass and do not: {', '.join(broken)}")
    return 1 if broken else 0


def _judge(binary: Path, wanted: list[str], env: Mapping[str, str], folder: Path, settings: Settings) -> list[Outcome]:
    """All at once; what fails unexpectedly is run again alone, since some tests count what others make."""
    unsupported, known = settings["unsupported"], settings["reasons"]
    first = tests.run(binary, wanted, env, folder, tests.AT_ONCE)
    failed = {outcome.name for outcome in first if outcome.result == FAILED} - unsupported.keys() - known.keys()
    again = {outcome.name: outcome for outcome in tests.run(binary, sorted(failed), env, folder, 1)} if failed else {}
    last = [again.get(outcome.name, outcome) for outcome in first]
    return [
        Outcome(outcome.name, UNSUPPORTED, unsupported[outcome.name])
        if outcome.result == FAILED and outcome.name in unsupported
        else outcome
        for outcome in last
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """The settings of the cloud that the tests' own expectations need."""
    names = {
        "aliases": "LOCALOCEAN_IMAGE_ALIASES",
        "prices": "LOCALOCEAN_PRICES",
        "databases": "LOCALOCEAN_DATABASE_VERSIONS",
    }
    return {
        variable: ",".join(f"{name}={value}" for name, value in settings[table].items())
        for table, variable in names.items()
    }


def _client(toolchain: Toolchain, folder: Path) -> dict[str, str]:
    (folder / "empty.tfrc").touch()
    return {
        "TF_ACC": "1",
        "TF_ACC_TERRAFORM_PATH": str(toolchain.tofu()),
        "TF_ACC_PROVIDER_HOST": "registry.opentofu.org",
        "TF_CLI_CONFIG_FILE": str(folder / "empty.tfrc"),
        "CHECKPOINT_DISABLE": "1",
    }


def _up(cloud: Mapping[str, str]) -> dict[str, str]:
    argv = [sys.executable, "-m", "localocean", "up", "--json"]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **cloud}, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise PipelineError("The local cloud of the tests did not start.", "What it said stands above.")
    started = json.loads(done.stdout)
    return {"DIGITALOCEAN_API_URL": started["endpoint"], "DIGITALOCEAN_TOKEN": started["token"]}


def _write(outcomes: list[Outcome], settings: Settings) -> None:
    provider = TOOLS["terraform-provider-digitalocean"]
    aliases = ", ".join(f"{name} ({target})" for name, target in settings["aliases"].items())
    prices = ", ".join(f"{size} ${price}" for size, price in settings["prices"].items())
    versions = ", ".join(settings["databases"])
    facts = [
        f"Tests of the provider {provider.version}, unchanged, run by OpenTofu {TOOLS['opentofu'].version}.",
        f"Base images that cannot be made here and are aliases in this run: {aliases}.",
        f"Versions of PostgreSQL that are not here and mean {next(iter(settings['databases'].values()))}: {versions}.",
        f"Prices a month of the provider's time instead of today's: {prices}.",
    ]
    report.write(ROOT / "docs" / "fidelity.md", outcomes, settings["reasons"], facts)
    if new := report.grow_list(HERE / "must-pass.txt", outcomes):
        _say(f"{len(new)} tests more must pass from now on: commit tests/upstream/must-pass.txt")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:2]))
    except PipelineError as error:
        _say("\n".join(filter(None, (f"✗ {error.message}", f"  {error.hint}" if error.hint else ""))))
        sys.exit(1)
