"""What an image says of how its app is asked."""

from __future__ import annotations

import re

import pytest

from slipway.contract import Contract, earlier
from slipway.errors import PipelineError

LONGEST = Contract(front=False, port=65535, health="/" + "h" * 47, version="/" + "v" * 47)


@pytest.mark.parametrize(
    "contract", [Contract(front=True, port=8080), Contract(front=True, port=80, health="/"), LONGEST]
)
def test_a_label_gives_back_what_it_was_made_of(contract: Contract) -> None:
    assert Contract.from_label(contract.label) == contract
    assert re.fullmatch("[a-z0-9]+", contract.label) and len(f"contract:{contract.label}") <= 255


def test_an_image_that_is_older_than_contracts_says_nothing() -> None:
    assert Contract.from_label("") is None
    assert earlier({"PORT": "8080"}).public_port == 8080 and earlier({}).probe == "/version"


@pytest.mark.parametrize("label", ["x", "aaaa", "ünknown", LONGEST.label[:-8]])
def test_a_label_that_somebody_else_wrote_is_refused(label: str) -> None:
    with pytest.raises(PipelineError, match="says nothing that slipway knows"):
        Contract.from_label(label)


def test_users_meet_the_front_where_there_is_one() -> None:
    assert Contract(front=True, port=3000).public_port == 80
    assert Contract(front=False, port=3000).public_port == 3000


def test_the_version_is_the_cheapest_question_then_the_health() -> None:
    assert Contract(front=True, port=1, health="/h", version="/v").probe == "/v"
    assert Contract(front=True, port=1, health="/h").probe == "/h"
    assert Contract(front=True, port=1).probe == "/"
