"""What a droplet may reach beyond its cloud."""

from __future__ import annotations

import json

from localocean.network import outside


def test_the_uplinks_are_the_interfaces_of_default_routes() -> None:
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "default", "nexthops": [{"gateway": "192.0.2.9", "dev": "eth1"}, {"dev": "ppp0"}]},
        {"dst": "0.0.0.0/1", "dev": "tun0"},
        {"dst": "128.0.0.0/1", "dev": "tun0", "table": "7"},
        {"dst": "10.0.0.0/8", "dev": "vpn0"},
        {"dst": "192.0.2.7", "dev": "eth2"},
        {"type": "unreachable", "dst": "default", "table": "7"},
    ]
    assert outside.uplinks(json.dumps(routes)) == {"eth0", "eth1", "ppp0", "tun0"}
    assert outside.uplinks("") == set()


def test_what_apt_asks_is_known_by_host_and_port() -> None:
    urls = ["http://mirror.example/debian", "https://a.b", "http://c:3142/", "file:/x", "copy:/y", "http://[::1", "h:p"]
    assert outside.endpoints(urls) == {("mirror.example", 80), ("a.b", 443), ("c", 3142)}
