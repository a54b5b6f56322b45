"""What can be ordered of databases: sizes with DigitalOcean's prices, engines, versions."""

from __future__ import annotations

from dataclasses import dataclass

from localocean.host.postgres import layout

ENGINE, VERSION = "pg", layout.VERSION
ADMIN, DEFAULT_DATABASE = layout.ADMIN, layout.DEFAULT_DATABASE
PORT, POOL_PORT, METRICS_PORT = layout.PORT, layout.POOL_PORT, layout.METRICS_PORT
OTHER_ENGINES = ("mysql", "redis", "valkey", "mongodb", "kafka", "opensearch", "advanced_pg")
END_OF_LIFE = "2027-11-11T00:00:00Z"
"""When PostgreSQL's makers stop to care for the version that there is."""


@dataclass(frozen=True)
class DatabaseSize:
    """A plan of one machine: memory and disk in MiB, the most that the disk may be enlarged to, USD a month."""

    slug: str
    memory: int
    vcpus: int
    storage: int
    most_storage: int
    price_monthly: float


GIB = 1024

SIZES = {
    size.slug: size
    for size in (
        DatabaseSize("db-s-1vcpu-1gb", 1024, 1, 10 * GIB, 30 * GIB, 15.0),
        DatabaseSize("db-s-1vcpu-2gb", 2048, 1, 30 * GIB, 60 * GIB, 30.0),
        DatabaseSize("db-s-2vcpu-4gb", 4096, 2, 60 * GIB, 120 * GIB, 60.0),
        DatabaseSize("db-s-4vcpu-8gb", 8192, 4, 140 * GIB, 280 * GIB, 120.0),
        DatabaseSize("db-s-6vcpu-16gb", 16384, 6, 290 * GIB, 580 * GIB, 240.0),
        DatabaseSize("db-s-8vcpu-32gb", 32768, 8, 580 * GIB, 1160 * GIB, 480.0),
    )
}
