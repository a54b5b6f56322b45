"""Settings and secrets arrive byte for byte: through OpenTofu, cloud-init and systemd into the app's own process."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from slipway.environment import boot, reference
from slipway.environment.keys import new_key
from slipway.environment.reference import Reference, Release, template_digest
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform, expression
from slipway.tools.toolchain import TERRAFORM_TOOLS, Toolchain
from tests.contract.support import ROOT, Api
from tests.contract.test_metadata import Guest
from tests.support import until
from tests.unit.slipway.environment.test_boot import AWKWARD, is_fit

LONG = "".join(chr(0x20 + at % 0x5F) for at in range(5000))
SEED = random.randrange(1 << 32)


def drawn(seed: int, count: int) -> dict[str, str]:
    """Values of any characters that a value may have; their names tell the seed."""
    draw, found = random.Random(seed), list[str]()
    while len(found) < count:
        text = "".join(chr(int(0x110000 ** draw.random())) for _ in range(draw.randrange(30)))
        if is_fit(text):
            found.append(text)
    return {f"APP_DRAWN_{seed}_{number}": text for number, text in enumerate(found)}


VALUES = {
    "APP_EMPTY": "",
    "APP_BLANKS": "  both ends \t",
    "APP_LINES": "-----BEGIN KEY-----\nabc\n\n-----END KEY-----\n",
    "APP_LAST_BACKSLASH": "ends in \\",
    "APP_ENGLISH": 'It\'s "quoted", `run` $HOME ${HOME} $(id) %{if} %h %% # no comment ; \\n',
    "APP_EVERY_CONTROL": "".join(map(chr, [*range(1, 0x20), *range(0x7F, 0xA0)])),
    "APP_LONG": LONG,
    **{f"APP_{number}": text for number, text in enumerate(AWKWARD)},
    **{f"APP_BETWEEN_{number}": f"a{text}b" for number, text in enumerate(AWKWARD)},
    **drawn(SEED, 120),
}
"""Given to one droplet at once, half of them as settings and half as secrets."""
TOLD = 'it is {release} "quoted" \\ and $HOME, not {other} and no {'
"""A variable of which OpenTofu fills in a part."""

INSTALL = """
set -e
useradd --system --user-group --no-create-home --home-dir /opt/app --shell /usr/sbin/nologin app
install -d -o root -g app -m 0750 /opt/app
printf '#!/bin/sh\\nexec sleep infinity\\n' >/opt/app/app
chmod 0755 /opt/app/app
echo 'APP_IMAGE="test"' >/opt/app/image.env
sed 's/^Type=notify/Type=exec/' /root/app.service >/etc/systemd/system/app.service
systemctl enable --quiet app.service
cloud-init clean --logs --seed
rm -f /etc/ssh/ssh_host_*
sync
"""


@dataclass(frozen=True)
class Engine:
    """The release graph in a folder of its own, with the variables of one release."""

    release: Release
    terraform: Terraform
    binary: Path
    var_file: Path
    variables: dict[str, str]

    def evaluate(self, text: str) -> str:
        """What an expression gives, as OpenTofu works it out from the files and the variables."""
        done = subprocess.run(
            [str(self.binary), "console", f"-var-file={self.var_file}"],
            input=f"base64encode(nonsensitive({text}))\n",
            cwd=self.terraform.folder,
            env={**os.environ, **self.terraform.environment, **self.variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return base64.b64decode(json.loads(done.stdout)).decode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("engine")
    names = sorted(VALUES)
    config = {name: VALUES[name] for name in names[::2]}
    secrets = {name: VALUES[name] for name in names[1::2]}
    release = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", template_digest(ROOT), config)
    release = replace(release, templates={"APP_TOLD": TOLD})
    reference.check_config(config)
    var_file = folder / "candidate.tfvars.json"
    why = "it's ${x} %{if} \x1b \u2028 e\u0301 \U0001f600"  # of a --force, or a failure's own words
    reference.write(var_file, Reference().deploying(release).rejecting(release, why))
    toolchain = Toolchain.from_environment(ROOT, os.environ)
    toolchain.ensure(TERRAFORM_TOOLS, print)
    host_key, deploy_key = new_key(), new_key()
    variables = {
        "TF_VAR_environment": "test",
        "TF_VAR_region": "nyc3",
        "TF_VAR_project": str(ROOT),
        "TF_VAR_files": str(ROOT),
        "TF_VAR_deploy_public_key": deploy_key.public,
        "TF_VAR_host_keys": expression({release.key: {"private": host_key.private, "public": host_key.public}}),
        **boot.variable({release.key: release}, {release.key: secrets}),
    }
    root = Root(ROOT / "terraform", folder / "terraform", folder / "none.tf")
    env = {**toolchain.environment("opentofu"), "DIGITALOCEAN_TOKEN": "none"}
    terraform = Terraform(toolchain.tofu(), root, env, Encryption(None))
    terraform.init()
    return Engine(release, terraform, toolchain.tofu(), var_file, variables)


def test_opentofu_hands_the_gate_the_release_that_was_given(engine: Engine) -> None:
    candidate = engine.evaluate(f'jsonencode(var.releases["{engine.release.key}"])')
    assert Release.parse(json.loads(candidate)) == engine.release
    assert len(candidate) < 128 * 1024


def test_opentofu_reads_an_expression_as_plain_data(engine: Engine) -> None:
    texts = ["$${", "%%{", "$$${x}", "$$$${x}", "\\${x}", "a\\b", "\\\b", "".join(AWKWARD[:22]), *AWKWARD]
    data = {text: [text] for text in texts if boot.is_kept_by_opentofu(text)}
    assert json.loads(engine.evaluate(f"jsonencode({expression(data)})")) == data


@pytest.fixture(scope="module")
def droplet(api: Api, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A droplet of an image that has the app's unit, with the user data that OpenTofu rendered."""
    api.call("POST", "/_localocean/reset", status=204)
    folder = tmp_path_factory.mktemp("keys")
    builder = Guest(api, folder, "builder")
    until(lambda: builder.run("cloud-init status --wait").returncode == 0)
    unit = (ROOT / "provisioning" / "app.service").read_text()
    assert builder.run("cat >/root/app.service", unit).returncode == 0
    installed = builder.run("bash -s", INSTALL)
    assert installed.returncode == 0, installed.stderr
    api.act(builder.id, "power_off")
    api.act(builder.id, "snapshot", name="values")
    image = next(each for each in api.get("/v2/images?private=true")["images"] if each["name"] == "values")
    user_data = engine.evaluate(f'local.user_data["{engine.release.key}"]')
    assert len(user_data) < boot.USER_DATA_LIMIT
    yield Guest(api, folder, "values", user_data, image=image["id"])
    api.call("POST", "/_localocean/reset", status=204)


def test_the_app_gets_every_value_as_it_was_given(droplet: Guest, engine: Engine) -> None:
    until(lambda: droplet.run("cloud-init status --wait").returncode == 0)
    until(lambda: droplet.run("systemctl is-active app.service").stdout == "active\n")
    found = droplet.run('base64 -w0 "/proc/$(systemctl show --property MainPID --value app.service)/environ"').stdout
    environ = dict(entry.split(b"=", 1) for entry in base64.b64decode(found).split(b"\0") if entry)
    given = {name.encode(): value.encode() for name, value in VALUES.items()}
    assert {name: value for name, value in environ.items() if name in given} == given
    assert environ[b"APP_RELEASE"] == engine.release.key.encode()
    assert environ[b"APP_TOLD"].decode() == TOLD.replace("{release}", engine.release.key)
    assert droplet.run("stat -c '%a %U:%G' /opt/app/conf.env").stdout == "600 app:app\n"
