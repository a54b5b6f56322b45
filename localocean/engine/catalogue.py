"""What can be ordered: regions, sizes with DigitalOcean's prices, and base images."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

HOURS_A_MONTH = 672
ALIAS_IDS = 50_000_000
DEFAULT_REGION = "nyc3"
REGION_FEATURES = ("private_networking", "backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer")


@dataclass(frozen=True)
class Region:
    """A datacentre; here all of them are this machine."""

    slug: str
    name: str


@dataclass(frozen=True)
class Size:
    """A plan: memory in MiB, disk in GiB, transfer in TB, price in USD a month."""

    slug: str
    memory: int
    vcpus: int
    disk: int
    transfer: float
    price_monthly: float


@dataclass(frozen=True)
class Base:
    """A distribution image; its id and time never change, whichever machine made it."""

    id: int
    slug: str
    name: str
    distribution: str
    created_at: str
    min_disk_size: int
    size_bytes: int


REGIONS = {
    region.slug: region
    for region in (
        Region("nyc1", "New York 1"),
        Region("nyc2", "New York 2"),
        Region("nyc3", "New York 3"),
        Region("ams3", "Amsterdam 3"),
        Region("fra1", "Frankfurt 1"),
        Region("lon1", "London 1"),
        Region("sfo3", "San Francisco 3"),
        Region("sgp1", "Singapore 1"),
        Region("tor1", "Toronto 1"),
        Region("blr1", "Bangalore 1"),
        Region("syd1", "Sydney 1"),
    )
}

SIZES = {
    size.slug: size
    for size in (
        Size("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4.0),
        Size("s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0),
        Size("s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0),
        Size("s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0),
        Size("s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0),
        Size("s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0),
        Size("s-8vcpu-16gb", 16384, 8, 320, 6.0, 96.0),
    )
}

# How aliases' distributions are spelt; others are capitalised.
DISTRIBUTIONS = {"centos": "CentOS", "rockylinux": "RockyLinux", "almalinux": "AlmaLinux"}

BASES = {
    base.slug: base
    for base in (Base(136387842, "debian-12-x64", "12 x64", "Debian", "2023-07-20T19:23:26Z", 7, 350_000_000),)
}


def alias(slug: str, target: str) -> Base:
    """A base image under the name of one that cannot be made here; its name says what it is in truth."""
    distribution, *version = slug.removesuffix("-x64").split("-")
    return replace(
        BASES[target],
        id=ALIAS_IDS + zlib.crc32(slug.encode()) % ALIAS_IDS,
        slug=slug,
        name=f"{'.'.join(version)} x64 (alias of {target})",
        distribution=DISTRIBUTIONS.get(distribution, distribution.capitalize()),
    )
