"""Which address is given out next."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from localocean.engine.addresses import choose
from localocean.engine.errors import Unprocessable

ADDRESSES = [IPv4Address(f"10.0.0.{n}") for n in range(4)]


def test_an_address_is_not_given_out_twice_nor_again_at_once() -> None:
    assert choose(iter(ADDRESSES), [], 0) == "10.0.0.0"
    assert choose(iter(ADDRESSES), [], 1) == "10.0.0.1"
    assert choose(iter(ADDRESSES), ["10.0.0.3"], 3) == "10.0.0.0"
    with pytest.raises(Unprocessable):
        choose(iter(ADDRESSES), map(str, ADDRESSES), 2)
