"""How things in an account are called, and whose they are."""

from __future__ import annotations

import re
import subprocess

import pytest

from slipway.errors import PipelineError
from slipway.image import version
from slipway.names import LONGEST_VERSION, Names, ProjectNames, is_slug

SHOP = Names("shop", "local")
OTHERS = [Names("other", "local"), Names("shop-eu", "local"), Names("shop", "local-two"), Names("shop", "production")]
DIGEST = "0123456789ab"
TAG = re.compile(r"[a-zA-Z0-9_:-]{1,255}")
HOSTNAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?")
CLUSTER = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")


def test_names_are_spelt_as_they_are_documented() -> None:
    assert SHOP.image("v1", DIGEST) == "shop-v1-0123456789ab"
    assert SHOP.droplet("v1-01234567") == "shop-local-v1-01234567"
    assert SHOP.cluster == SHOP.deploy_key == "shop-local"
    assert SHOP.tags == ["slipway:shop:local", "slipway:shop", "slipway"]
    assert SHOP.ledger == "refs/slipway/shop/local/ledger"
    assert SHOP.run("R") == "slipway-run:shop:R"


@pytest.mark.parametrize("of", ["v1", "v1.2.3", "v1-4-gabc1234", "v1-dirty", "2026"])
def test_an_image_gives_its_version_back_to_its_own_project_alone(of: str) -> None:
    name = SHOP.image(of, DIGEST)
    assert SHOP.version(name, SHOP.shared_tags) == SHOP.version(name, ()) == of
    for other in (Names("other", "local"), Names("shop-eu", "local"), Names("sho", "local")):
        assert other.version(name, SHOP.shared_tags) is None
        assert other.version(name, ()) is None


def test_a_name_that_reads_in_two_ways_is_its_owners() -> None:
    theirs = Names("shop-eu", "local")
    name = theirs.image("v1", DIGEST)
    assert SHOP.version(name, ()) == "eu-v1"
    assert SHOP.version(name, theirs.shared_tags) is None
    assert SHOP.is_claimed(name, ["slipway", "slipway:shop", "slipway:shop-eu:local", "web"])
    assert not SHOP.is_claimed(name, ["slipway", "slipway:shop", "slipway:other", "web"])


def test_images_of_others_have_no_version() -> None:
    for name in ("debian", "shop-v1", "shop-v1-xyz", "shop--0123456789ab", "app-v1-0123456789ab"):
        assert SHOP.version(name, ()) is None
    assert ProjectNames("app").version("app-v1-0123456789ab", ("slipway", "version:v1")) is None, "of before projects"


def test_a_droplet_gives_its_release_back() -> None:
    assert SHOP.release(SHOP.droplet("v1-01234567")) == "v1-01234567"


def test_a_run_is_its_own_projects() -> None:
    assert SHOP.run_of(SHOP.run("R")) == "R" and SHOP.run("R") in SHOP.build_tags("R")
    for name in ("slipway-run:R", "slipway-run:shop:", "slipway-run:shop-eu:R", "slipway:shop:R", "shop:R", "R"):
        assert SHOP.run_of(name) is None


def test_a_drill_is_its_own_environments_and_a_database_is_none() -> None:
    name = SHOP.drill("0a1b2c", "3d4e")
    assert SHOP.is_drill(name, SHOP.tags) and SHOP.is_drill(name, SHOP.tags, "0a1b2c")
    assert not SHOP.is_drill(name, SHOP.tags, "ffffff")
    assert not SHOP.is_drill(SHOP.cluster, SHOP.tags)
    for other in OTHERS:
        assert not other.is_drill(name, SHOP.tags)
        assert not SHOP.is_drill(other.drill("0a1b2c", "3d4e"), other.tags)
    assert not SHOP.is_drill(Names("shop", "local-drill-x").cluster, ["slipway:shop:local-drill-x"])


def test_no_two_environments_share_a_tag_a_lock_or_a_ref() -> None:
    everybody = [SHOP, *OTHERS]
    for kind in ("tag", "lock", "ledger"):
        assert len({getattr(each, kind) for each in everybody}) == len(everybody)
    # Only the tag tells these two apart; their clusters cannot both be there, and the tag is asked for.
    assert Names("shop-eu", "local").cluster == Names("shop", "eu-local").cluster
    assert Names("shop-eu", "local").tag != Names("shop", "eu-local").tag


LONGEST = [("a", "a" * 21), ("a" * 12, "a" * 10), ("a" * 17, "local"), ("a-b", "c-d")]


@pytest.mark.parametrize(("project", "environment"), LONGEST)
def test_the_longest_names_are_ones_that_everybody_takes(project: str, environment: str) -> None:
    names, longest = Names(project, environment), "v" * LONGEST_VERSION
    image = names.image(longest, DIGEST)
    for hostname in (names.droplet(f"{longest}-01234567") + "-99", names.build_droplet(image)):
        assert HOSTNAME.fullmatch(hostname)
    for cluster in (names.cluster, names.drill("0a1b2c", "3d4e")):
        assert CLUSTER.fullmatch(cluster)
    for tag in (*names.tags, *names.build_tags("20261121T100000Z-abcdef")):
        assert TAG.fullmatch(tag)
    subprocess.run(["git", "check-ref-format", names.ledger], check=True)
    assert version.check(longest) == longest
    with pytest.raises(PipelineError, match="cannot be a version"):
        version.check(longest + "v")


@pytest.mark.parametrize(
    ("project", "environment", "by"), [("a" * 12, "a" * 11, 1), ("a" * 18, "aa", 1), ("shop", "a" * 40, 22)]
)
def test_names_that_would_be_too_long_are_refused_with_the_arithmetic(project: str, environment: str, by: int) -> None:
    with pytest.raises(PipelineError, match="63 characters, and with them it needs up to") as refused:
        Names(project, environment)
    assert f"Shorten them by {by}:" in refused.value.hint


def test_a_slug_has_small_letters_digits_and_single_dashes() -> None:
    assert all(map(is_slug, ["a", "shop", "shop-eu", "a1", "a-1-b"]))
    assert not any(map(is_slug, ["", "Shop", "1a", "-a", "a-", "a--b", "a_b", "a b", "a/b", "a:b", "ä", "a\n"]))
