"""Prices that DigitalOcean's API does not tell, in USD a month."""

from __future__ import annotations

PER_GB = 0.06
"""A month's USD for a GB of a snapshot, which the API does not tell; https://docs.digitalocean.com/products/snapshots/details/pricing/"""

IDLE_ADDRESS = 5.0
"""A month's USD for a floating IP that points at nothing, neither; https://docs.digitalocean.com/products/networking/reserved-ips/details/pricing/"""


def image_price(gigabytes: float) -> float:
    """A month's USD for an image, which is at least a cent."""
    return max(0.01, round(gigabytes * PER_GB, 4))
