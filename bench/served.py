"""`python -m bench.served STATE PORT COUNT`: the API over a store with COUNT droplets that are records alone."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import uvicorn

from localocean.api.app import build
from localocean.config import Config
from localocean.engine.cloud import Cloud
from localocean.store.records import ACTIVE, Droplet
from tests.unit.localocean.machines import Rooms

TOKEN = "bench"


def main(state: Path, port: int, count: int) -> None:
    """Serve until killed. The cloud is not started: nothing is to happen to its droplets."""
    cloud = Cloud(Config.from_environment({"LOCALOCEAN_STATE": str(state)}), Rooms(state).machinery())
    logging.basicConfig(level=logging.INFO)  # a line for each request, as the real server writes
    for own in (cloud.images, cloud.projects, cloud.vpcs):
        own.seed()
    fill(cloud, count)
    uvicorn.run(build(cloud, TOKEN), host="127.0.0.1", port=port, log_config=None, access_log=False)


def fill(cloud: Cloud, count: int) -> None:
    """Put the records into the store, each with an action and a tag as a droplet's creation leaves them."""
    image = cloud.images.get("debian-12-x64").image
    with cloud.store.transaction():
        for number in range(count):
            droplet = cloud.store.droplets.add(
                Droplet(
                    name=f"web-{number}",
                    hostname=f"web-{number}",
                    status=ACTIVE,
                    region="nyc3",
                    size="s-1vcpu-1gb",
                    image_id=image.id,
                    base=image.base,
                    public_address=f"198.18.{number // 250 % 250}.{number % 250 + 2}",
                    private_address=f"10.124.{number // 250 % 250}.{number % 250 + 2}",
                )
            )
            cloud.actions.nothing_to_do("create", "droplet", droplet.id, "nyc3")
            cloud.tags.label(["web"], "droplet", droplet.id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
