"""Apps that know nothing of slipway: by an address and as a folder, the way back between them, and what is refused."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from slipway.contract import RELEASE_HEADER
from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.tools.toolchain import Toolchain
from tests.contract.support import ROOT
from tests.e2e.checkout import REFERENCE, Checkout, Prober
from tests.support import LOST_S, own_cloud

STRANGERS = ROOT / "tests" / "e2e" / "strangers"

pytestmark = [pytest.mark.e2e, pytest.mark.host]

HEAD = """
[project]
name = "shop"

[image]
base = "debian-12-x64"

[droplet]
region = "fra1"
size = "s-1vcpu-1gb"

[verification]
deadline = 30
"""
IN_PYTHON = """
[app]
build = "mkdir dist && cp shop.py dist/"
folder = "dist"
command = "/usr/bin/python3 /opt/app/shop.py"
packages = ["tzdata"]
scripts = ["ops/mark.sh"]
writable = ["/var/lib/shop"]
port = 5000
health = "/healthz"
"""


IDENTITY = (("user.name", "tester"), ("user.email", "tester@example.com"), ("commit.gpgsign", "false"))


OURS = ("deep", "ops", "shop.py", "slipway.toml", "terraform", ".gitignore")


class Shop:
    """Somebody's repository, and a site where its programs are published."""

    def __init__(self, checkout: Checkout, site: str, published: Path) -> None:
        self.checkout, self.site, self.published = checkout, site, published

    def publish(self, version: str) -> str:
        """Compile a version, put it on the site and return its sum."""
        target = self.published / version / "shop"
        target.parent.mkdir()
        toolchain = Toolchain.from_environment(ROOT, os.environ)
        argv = [str(toolchain.go()), "build", "-ldflags", f"-X main.version={version}", "-o", str(target)]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), **toolchain.environment("go")}
        subprocess.run(argv, cwd=STRANGERS / "shop", env={**env, "CGO_ENABLED": "0"}, check=True)
        return hashlib.sha256(target.read_bytes()).hexdigest()

    def says(self, app: str, message: str = "Another app") -> None:
        """Commit a slipway.toml with this about the app."""
        (self.checkout.folder / "slipway.toml").write_text(HEAD + app)
        self.checkout.git("add", "--all")
        self.checkout.git("commit", "--quiet", "--allow-empty", "--message", message)

    def again(self, version: str, name: str, sums: dict[str, str]) -> str:
        """Publish a version under another name, too; its sum."""
        shutil.copytree(self.published / version, self.published / name)
        return sums[version]

    def by_address(self, sums: dict[str, str], settings: str = "", port: int = 3000, more: str = "") -> None:
        """Commit the app as one that is published; it listens on port 3000."""
        listed = "\n".join(f'"{version}" = "{each}"' for version, each in sums.items())
        app = f'[app]\nurl = "{self.site}/{{version}}/shop"\nport = {port}\n{more}\n'
        self.says(f'{app}[app.settings]\nPORT = "3000"\nBASE_URL = "{{url}}"\n{settings}\n[app.sums]\n{listed}\n')

    def get(self, path: str = "/") -> tuple[str, str]:
        """What the public address answers, and the release that it names."""
        return self.ask(str(self.checkout.status()["floating_ip"]), path)

    @staticmethod
    def ask(address: str, path: str = "/") -> tuple[str, str]:
        """The same of an address."""
        with closing(http.client.HTTPConnection(address, timeout=LOST_S)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read().decode(), answer.headers[RELEASE_HEADER] or ""

    def live(self) -> tuple[str, str]:
        """Which release git and the users have."""
        return self.checkout.status()["live"]["release"], self.get()[1]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A repository with the shop's own files, slipway.toml and a reference file, and nothing of slipway's."""
    folder, published = tmp_path_factory.mktemp("shop"), tmp_path_factory.mktemp("published")
    for name, text in (("ops/mark.sh", "echo marked >/etc/marked\n"), (".gitignore", ".slipway/\n")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(STRANGERS / "shop.py", folder)
    (folder / REFERENCE).parent.mkdir(parents=True)
    reference.write(folder / REFERENCE, Reference())
    (folder / "deep" / "inside").mkdir(parents=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(published))
    with own_cloud("apps") as cloud, ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        checkout = Checkout(folder, cloud, (sys.executable, "-Es", "-m", "slipway"))
        for words in (["init", "--quiet"], *(["config", *each] for each in IDENTITY)):
            checkout.git(*words)
        yield Shop(checkout, f"http://127.0.0.1:{server.server_port}", published)
        server.shutdown()


@pytest.fixture(scope="module")
def sums(shop: Shop) -> dict[str, str]:
    return {version: shop.publish(version) for version in ("v1", "v2")}


def test_a_program_is_not_released_by_its_address_alone(shop: Shop, sums: dict[str, str]) -> None:
    shop.by_address({})
    said = shop.checkout.refused("build", "deploy", "--version", "v1")
    assert "slipway.toml has no sum of version v1" in said and sums["v1"] in said
    shop.by_address({"v1": sums["v2"]})
    assert "it is not what it was" in shop.checkout.refused("build", "--version", "v1")


def test_a_program_that_is_published_elsewhere_is_released(shop: Shop, sums: dict[str, str]) -> None:
    shop.by_address(sums)
    shop.checkout.invoke("build", "deploy", "--version", "v1")
    status = shop.checkout.status()
    text, release = shop.get()
    assert text.startswith("shop v1 for 198.18.") and text.endswith(f" at http://{status['floating_ip']}\n")
    assert release == status["live"]["release"]
    assert (status["database"], status["problems"]) == (None, [])
    assert {path.name for path in shop.checkout.folder.iterdir()} == {*OURS, ".git", ".slipway"}


def test_it_is_called_by_its_own_name_from_anywhere_in_the_project(shop: Shop) -> None:
    inside = Checkout(shop.checkout.folder / "deep" / "inside", shop.checkout.cloud, shop.checkout.program)
    assert inside.status()["live"] == shop.checkout.status()["live"]
    said = inside.refused("deploy", "--version", "v404")
    assert "There is no image of version v404" in said and "slipway build --version v404" in said
    assert "./invoke" not in said


def test_its_next_version_takes_over_without_a_loss(shop: Shop) -> None:
    shop.checkout.git("commit", "--quiet", "--all", "--message", "As released")
    with Prober(
        str(shop.checkout.status()["floating_ip"]), ask=lambda address: {"release": shop.ask(address)[1]}
    ) as prober:
        shop.checkout.invoke("build", "deploy", "--version", "v2", "--max-lost", "0")
    assert prober.lost(shop.checkout.moves()) == []
    assert shop.get()[0].startswith("shop v2 ")


def test_an_app_in_python_is_released_from_a_folder(shop: Shop) -> None:
    shop.says(IN_PYTHON)
    shop.checkout.invoke("build", "deploy", "--version", "v3")
    assert shop.get("/a")[0] == "shop in Python, Europe/Berlin"
    droplet = str(shop.checkout.status()["live"]["droplet_id"])
    said = shop.checkout.invoke("cloud.ssh", droplet, "--command", "cat /var/lib/shop/visits /etc/marked").split()
    assert "/a" in said and said[-1] == "marked"


def test_the_way_back_asks_the_older_app_as_that_one_answers(shop: Shop) -> None:
    """The one in Python has a health path, the other none, and its port is another."""
    shop.checkout.invoke("rollback")
    assert shop.get()[0].startswith("shop v2 ")
    problems = shop.checkout.status()["problems"]
    assert [problem for problem in problems if "ready" in problem or "answer" in problem] == []


@pytest.mark.parametrize(
    ("version", "how", "says"),
    [
        ("v4", "listens elsewhere", "Nothing listens on port 3001 after 30 s"),
        ("v5", "exits", "The app ended, with success"),
        ("v6", "fails", "The app ends again and again"),
    ],
)
def test_what_does_not_start_is_no_image(shop: Shop, sums: dict[str, str], version: str, how: str, says: str) -> None:
    live = shop.live()
    settings, port = f'HOW = "{how}"', 3001 if how == "listens elsewhere" else 3000
    shop.by_address({version: shop.again("v1", version, sums)}, settings.replace("listens elsewhere", ""), port)
    said = shop.checkout.refused("build", "deploy", "--version", version)
    assert says in said and "starts_bare = false" in said
    assert how != "fails" or "no database is configured" in said
    assert shop.live() == live


@pytest.mark.parametrize(
    ("version", "how", "says"),
    [("v7", "redirects", "status 302 /login"), ("v8", "unready", "status 503")],
)
def test_what_is_not_ready_meets_no_user(shop: Shop, sums: dict[str, str], version: str, how: str, says: str) -> None:
    live = shop.live()
    shop.by_address({version: shop.again("v1", version, sums)}, f'HOW = "{how}"', more='health = "/healthz"')
    shop.checkout.invoke("build", "--version", version)
    said = shop.checkout.refused("deploy", "--version", version)
    assert "it is ready" in said
    (evidence,) = (shop.checkout.folder / ".slipway/local/evidence").glob(f"{version}-*/verification.txt")
    assert says in evidence.read_text()
    assert shop.live() == live


def test_an_app_that_needs_five_seconds_to_start_is_waited_for(shop: Shop, sums: dict[str, str]) -> None:
    shop.by_address({"v9": shop.again("v1", "v9", sums)}, 'HOW = "slow"')
    shop.checkout.invoke("build", "deploy", "--version", "v9")
    assert shop.get()[0].startswith("shop v1 ")


def test_without_a_front_the_app_itself_says_which_release_it_is(shop: Shop, sums: dict[str, str]) -> None:
    shop.by_address({"v10": shop.again("v1", "v10", sums)}, 'HOW = "says"\n[front]\nenabled = false')
    shop.checkout.invoke("build", "deploy", "--version", "v10")
    status = shop.checkout.status()
    assert (status["url"], status["problems"]) == (f"http://{status['floating_ip']}:3000/", [])
    text, release = shop.ask(f"{status['floating_ip']}:3000")
    assert text == f"shop v1 for  at http://{status['floating_ip']}:3000\n" and release == status["live"]["release"]
