"""Who is let in."""

from __future__ import annotations

import threading

from localocean.engine.cloud import Cloud
from localocean.engine.droplets import DropletOrder
from tests.unit.localocean.clusters import let_in, make
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms


def test_the_firewall_follows_droplets_and_tags(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    assert let_in(rooms, view) == (set(), {"0.0.0.0/0"})
    cloud.databases.trust(view.cluster.uuid, [("tag", "web"), ("ip_addr", "203.0.113.7")])
    assert let_in(rooms, view) == (set(), {"203.0.113.7/32"})
    order = DropletOrder(["one"], "nyc3", "s-1vcpu-1gb", "debian-12-x64", tags=["Web"])
    [(droplet, _)] = cloud.droplets.create(order)
    settle(cloud)
    address = droplet.droplet.public_address
    assert let_in(rooms, view)[0] == {address}
    cloud.tags.detach("Web", [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view)[0] == set()
    cloud.tags.attach("Web", [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view)[0] == {address}
    cloud.tags.delete("Web")
    assert let_in(rooms, view)[0] == set()
    cloud.databases.trust(view.cluster.uuid, [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view) == ({address}, set())
    cloud.droplets.delete(droplet.droplet.id)
    settle(cloud)
    assert let_in(rooms, view) == (set(), set())
    cloud.databases.trust(view.cluster.uuid, [])
    assert let_in(rooms, view) == (set(), {"0.0.0.0/0"})


def test_a_rule_that_stays_keeps_its_id(cloud: Cloud) -> None:
    view = make(cloud, rules=[("ip_addr", "10.0.0.0/8")])
    [before] = cloud.trusted.rules(view.cluster.id)
    cloud.databases.trust(view.cluster.uuid, [("tag", "web"), ("ip_addr", "10.0.0.0/8"), ("tag", "web")])
    rules = cloud.trusted.rules(view.cluster.id)
    assert [(rule.type, rule.value) for rule in rules] == [("ip_addr", "10.0.0.0/8"), ("tag", "web")]
    assert rules[0] == before


def test_the_firewall_is_refreshed_from_anywhere_without_standing_in_its_own_way(cloud: Cloud) -> None:
    make(cloud)
    ended = threading.Event()

    def refresh() -> None:
        for _ in range(200):
            with cloud.store.transaction():
                cloud.trusted.refresh()
        ended.set()

    threading.Thread(target=refresh, daemon=True).start()
    for _ in range(200):
        cloud.trusted.refresh()
    assert ended.wait(10)
