"""Two projects with the same environment and the same version in one account, and a second checkout of one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway.names import Names
from tests.contract.support import Api
from tests.e2e.checkout import NAMES, REFERENCE, Checkout, Prober, ask, furnish

pytestmark = [pytest.mark.e2e, pytest.mark.host]

SHOP = Names("shop", "local")
WITHOUT_STATE = "the environment local of notes stands already, and its state is not in this checkout"


def another(checkout: Checkout, folder: Path) -> Checkout:
    """A fresh clone of a checkout: what git has, and links to the packages that the other one has installed."""
    checkout.git("clone", "--quiet", str(checkout.folder), str(folder))
    found = Checkout(folder, checkout.cloud)
    for key, value in (("user.name", "tester"), ("user.email", "t@example.com"), ("commit.gpgsign", "false")):
        found.git("config", key, value)
    furnish(folder, checkout.folder)
    return found


@pytest.fixture(scope="module")
def notes(checkout: Checkout) -> Checkout:
    """The project itself, with its database and a live release, of which git knows."""
    if checkout.status()["live"] is None:
        checkout.invoke("build", "deploy", "--version", "same")
    checkout.git("commit", "--quiet", "--allow-empty", "--all", "--message", "As released")
    return checkout


@pytest.fixture(scope="module")
def version(notes: Checkout) -> str:
    """The live version, which the other project bakes too."""
    return str(notes.status()["live"]["version"])


@pytest.fixture(scope="module")
def api(notes: Checkout) -> Api:
    return notes.api()


@pytest.fixture(scope="module")
def shop(notes: Checkout, version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Another project of the same account, without a database, whose environment and version have the same names."""
    shop = another(notes, tmp_path_factory.mktemp("neighbour") / "shop")
    settings, empty = shop.folder / "slipway.toml", '{"live": null, "releases": {}, "standby": null}\n'
    text = settings.read_text().replace('name = "notes"', 'name = "shop"').partition("[database]")[0]
    settings.write_text(text)
    (shop.folder / REFERENCE).write_text(empty)
    shop.git("commit", "--quiet", "--all", "--message", "Become a shop")
    shop.invoke("build", "deploy", "--version", version, "--commit")
    yield shop
    shop.invoke("destroy", "--yes")
    shutil.rmtree(shop.folder / ".venv", ignore_errors=True)


def named(api: Api, kind: str, whose: Callable[[str], object]) -> set[str]:
    path = {"images": "images?private=true", "ssh_keys": "account/keys"}.get(kind, kind)
    return {each["name"] for each in api.get(f"/v2/{path}")[kind] if whose(each["name"])}


def everything(api: Api, names: Names) -> dict[str, Any]:
    """What a project has in the account."""
    return {
        "droplets": {each["name"] for each in api.get(f"/v2/droplets?tag_name={names.tag}")["droplets"]},
        "images": named(api, "images", lambda name: names.version(name, ())),
        "keys": named(api, "ssh_keys", lambda name: name == names.deploy_key),
        "databases": named(api, "databases", lambda name: name == names.cluster),
    }


def test_both_bake_and_release_the_same_version(notes: Checkout, shop: Checkout, version: str, api: Api) -> None:
    for checkout, names in ((notes, NAMES), (shop, SHOP)):
        now = checkout.status()
        assert now["in_sync"], now["problems"]
        image, release = now["live"]["image"], now["live"]["release"]
        assert names.version(image, ()) == version == ask(now["floating_ip"])["version"]
        has = everything(api, names)
        assert names.droplet(release) in has["droplets"] and image in has["images"]
        assert {each["image"] for each in json.loads(checkout.invoke("releases", "--json"))} == has["images"]
    assert len(everything(api, SHOP)["droplets"]) == 1 and not everything(api, SHOP)["databases"]


def test_neither_reaps_nor_prunes_anything_of_the_other(notes: Checkout, shop: Checkout, api: Api) -> None:
    for checkout, other in ((notes, SHOP), (shop, NAMES)):
        before = everything(api, other)
        checkout.invoke("reap", "--older-than", "0s", "--apply")
        checkout.invoke("prune", "--keep", "1", "--apply")
        assert everything(api, other) == before
        assert checkout.status()["in_sync"]


def test_the_database_of_one_trusts_no_droplet_of_the_other(notes: Checkout, shop: Checkout, api: Api) -> None:
    cluster = notes.cluster()
    assert [(rule["type"], rule["value"]) for rule in notes.cluster("/firewall")["rules"]] == [("tag", NAMES.tag)]
    host, port = cluster["private_connection"]["host"], cluster["private_connection"]["port"]
    asked = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo open || echo closed"
    for checkout, names, answer in ((notes, NAMES, "open"), (shop, SHOP, "closed")):
        droplet = names.droplet(checkout.status()["live"]["release"])
        assert checkout.invoke("cloud.shell", droplet, "--command", f'bash -c "{asked}"').split() == [answer]


def test_what_a_bill_lists_is_of_one_project(notes: Checkout, shop: Checkout) -> None:
    assert f" {SHOP.project}-" not in notes.invoke("cost") and f" {NAMES.project}-" in notes.invoke("cost")
    assert f" {NAMES.project}-" not in shop.invoke("cost")


@contextmanager
def unchanged(api: Api) -> Iterator[None]:
    def count() -> dict[str, int]:
        kinds = ("droplets", "floating_ips", "images?private=true", "account/keys")
        return {kind: api.get(f"/v2/{kind}")["meta"]["total"] for kind in kinds}

    before = count()
    yield
    assert count() == before


def test_a_second_checkout_is_told_what_to_do_before_anything_is_made(
    notes: Checkout, second: Checkout, version: str, api: Api
) -> None:
    with unchanged(api):
        for verb in (["deploy"], ["deploy", "--plan"], ["deploy", "--version", version], ["rollback"], ["heal"]):
            said = second.refused(*verb)
            assert WITHOUT_STATE in said.replace("The environment", "the environment")
            assert NAMES.cluster in said and "./invoke takeover" in said and "./invoke cloud.reset" in said
        assert WITHOUT_STATE.replace("the env", "The env") in second.refused("destroy", "--yes", "--with-database")
    now = second.status()
    assert len(now["problems"]) == 1 and now["problems"][0].startswith(WITHOUT_STATE)
    assert notes.status()["in_sync"]


def test_with_the_states_and_the_keys_it_goes_on_there(notes: Checkout, second: Checkout) -> None:
    shutil.copytree(notes.folder / ".slipway" / "local", second.folder / ".slipway" / "local", dirs_exist_ok=True)
    now = second.status()
    assert now["in_sync"], now["problems"]
    shutil.rmtree(second.folder / ".slipway" / "local")


def test_a_second_checkout_takes_over_and_nobody_notices(
    notes: Checkout, second: Checkout, version: str, api: Api
) -> None:
    address, cluster = notes.status()["floating_ip"], notes.cluster()["id"]
    before = {each["id"] for each in api.get(f"/v2/droplets?tag_name={NAMES.tag}")["droplets"]}
    with Prober(address) as prober:
        second.invoke("takeover", "--yes")
        second.invoke("deploy", "--version", version, "--set", "APP_MESSAGE=Taken over", "--commit")
    assert prober.lost(second.moves()) == []
    now = second.status()
    assert now["in_sync"], now["problems"]
    assert (now["floating_ip"], second.cluster()["id"]) == (address, cluster)
    assert not before & {each["id"] for each in api.get("/v2/droplets")["droplets"]}
    assert "There is nothing to take over" in second.refused("takeover", "--yes")
    # The first checkout is the second one now.
    shutil.rmtree(notes.folder / ".slipway" / "local")
    shutil.copytree(second.folder / ".slipway" / "local", notes.folder / ".slipway" / "local")
    notes.git("pull", "--quiet", "--ff-only", str(second.folder), "HEAD")
    assert notes.status()["in_sync"]


@pytest.fixture(scope="module")
def second(notes: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The project cloned once more, on the same machine."""
    found = another(notes, tmp_path_factory.mktemp("second") / "project")
    yield found
    shutil.rmtree(found.folder / ".venv", ignore_errors=True)
