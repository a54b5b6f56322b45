"""Images named by their contents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipway.contract import Contract
from slipway.errors import PipelineError
from slipway.image import image
from slipway.image.image import Inputs
from slipway.names import ProjectNames
from slipway.tools.digitalocean import Image

NAMES = ProjectNames("shop")
CONTRACT = Contract(front=True, port=8080, health="/healthz")
INPUTS = Inputs(
    "shop",
    binary="b" * 12,
    provisioning="d" * 12,
    template="e" * 12,
    base="debian-12-x64",
    contract=CONTRACT.label,
    settings="f" * 12,
)


def baked(inputs: Inputs, version: str, id: int = 1, created_at: str = "2026-01-01T00:00:00Z") -> Image:
    return Image(id, inputs.name(version), created_at, 0.1, tuple(inputs.tags(version, "c0ffee")))


def test_each_input_is_part_of_the_digest() -> None:
    others = [
        replace(INPUTS, binary="0" * 12),
        replace(INPUTS, provisioning="0" * 12),
        replace(INPUTS, template="0" * 12),
        replace(INPUTS, base="debian-13-x64"),
        replace(INPUTS, project="other"),
        replace(INPUTS, contract=replace(CONTRACT, port=8081).label),
        replace(INPUTS, settings="0" * 12),
    ]
    assert len({INPUTS.digest, *(other.digest for other in others)}) == 8


def test_the_name_gives_the_version_back() -> None:
    for version in ("v1", "v1.2.3", "v1-4-gabc1234", "v1-dirty"):
        assert image.version_of(NAMES, baked(INPUTS, version)) == version


def test_other_images_have_no_version() -> None:
    for name in ("debian", "shop-v1", "shop-v1-xyz", "other-v1-0123456789ab"):
        assert image.version_of(NAMES, Image(1, name, "", 0, ())) is None


def test_tags_are_what_digitalocean_takes() -> None:
    tags = INPUTS.tags("v1.2.3", "c0ffee-dirty")
    assert {"slipway", "slipway:shop", "version:v1_2_3", "commit:c0ffee-dirty", f"digest:{INPUTS.digest}"} <= set(tags)
    for tag in tags:
        assert len(tag) <= 255
        assert not set(tag) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:")


def test_the_same_inputs_are_recognised() -> None:
    one = baked(INPUTS, "v1")
    assert image.baked_before([baked(INPUTS, "v2", 2), one], INPUTS, "v1") == one
    assert image.baked_before([baked(INPUTS, "v2")], INPUTS, "v1") is None


def test_other_inputs_under_a_version_are_refused_by_name() -> None:
    other = replace(INPUTS, binary="0" * 12, base="debian-13-x64")
    with pytest.raises(PipelineError, match="v1 was baked from other inputs: binary, base differ"):
        image.baked_before([baked(INPUTS, "v1")], other, "v1")


def test_a_binary_that_differs_by_its_commit_alone_is_told() -> None:
    other = replace(INPUTS, binary="0" * 12)
    with pytest.raises(PipelineError, match="binary differ .* carries its commit: abcdefabcdef here, c0ffee") as error:
        image.baked_before([baked(INPUTS, "v1")], other, "v1", "abcdef" * 7, shallow=True)
    assert "git fetch --unshallow" in error.value.hint
    with pytest.raises(PipelineError) as error:
        image.baked_before([baked(INPUTS, "v1")], other, "v1", "c0ffee")
    assert "commit" not in error.value.message and "shallow" not in error.value.hint


def test_a_version_that_begins_like_another_is_another() -> None:
    images = [baked(INPUTS, "v1-dirty"), baked(INPUTS, "v1-4-gabc1234", 2)]
    assert image.baked_before(images, replace(INPUTS, binary="0" * 12), "v1") is None
    with pytest.raises(PipelineError, match="no image of version v1"):
        image.find(NAMES, images, "v1")


def test_two_images_of_one_name_are_refused() -> None:
    images = [baked(INPUTS, "v1", 1), baked(INPUTS, "v1", 2)]
    with pytest.raises(PipelineError, match=r"id 1\), .*id 2"):
        image.find(NAMES, images, "v1")
    with pytest.raises(PipelineError, match="two images"):
        image.baked_before(images, INPUTS, "v1")


def test_a_dirty_version_may_be_baked_again_and_the_newest_counts() -> None:
    other = replace(INPUTS, binary="0" * 12)
    old = baked(INPUTS, "v1-dirty", 1, "2026-01-01T00:00:00Z")
    new = baked(other, "v1-dirty", 2, "2026-01-02T00:00:00Z")
    assert image.baked_before([old], other, "v1-dirty") is None
    assert image.find(NAMES, [new, old], "v1-dirty") == new
