"""What a droplet is told at its first boot: a NoCloud seed that says what DigitalOcean's metadata would say.

cloud-init's DigitalOcean source looks for the hypervisor's firmware, which a container does not have; NoCloud reads
the same facts from files. Vendor data is DigitalOcean's: root may log in with the account's keys, and /etc/hosts is
managed. That passwords let nobody in stands in the base image: said here, it would have cloud-init start the SSH server
anew, and refuse whoever comes right after the first login. Addresses are looked at again at every boot, as its source
does. JSON is YAML, so that is what is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path

from localocean.host import inherit, inside

CLOUD = "/var/lib/cloud"
FOLDER = f"{CLOUD}/seed/nocloud"
VENDOR_DATA = """\
#cloud-config
disable_root: false
manage_etc_hosts: true
updates: {network: {when: [boot-new-instance, boot]}}
"""


@dataclass(frozen=True)
class Seed:
    """Everything about a droplet that its first boot needs. A new ``instance_id`` makes cloud-init start afresh."""

    instance_id: str
    hostname: str
    public_keys: Sequence[str]
    user_data: str
    public_address: IPv4Address
    public_network: IPv4Network
    gateway: IPv4Address
    private_address: IPv4Address
    private_network: IPv4Network
    nameservers: Sequence[str] = ()
    anchor: IPv4Interface | None = None
    address6: IPv6Address | None = None
    gateway6: IPv6Address | None = None
    region: str = ""


def write_seed(root: Path, seed: Seed) -> None:
    """Write the seed, and what the droplet inherits of this host, into the mounted disk ``root``; repeatable.

    Only the first boot inherits: what the droplet made of it since is its own.
    """
    wanted = files(seed)
    if _instance(inside.read(root, f"{FOLDER}/meta-data")) != seed.instance_id:
        for path, data in inherit.files(seed.nameservers).items():
            inside.write(root, path, data)
    for name, content in wanted.items():
        inside.write(root, f"{FOLDER}/{name}", content, 0o600)


def begin_anew(root: Path, instance_id: str) -> None:
    """Have a first boot that was cut short begin anew at the next one; the machine on ``root`` does not run.

    cloud-init notes each step before it takes it, and takes none twice: one that was under way when the power went
    would leave a droplet without network, host keys or its owner's. What a virtual machine noted in its last seconds
    goes with its power; here it is removed, unless the user's own scripts, which are not to run twice, have begun.
    """
    instance = f"{CLOUD}/instances/{instance_id}"
    begun = (inside.read(root, f"{CLOUD}/data/instance-id") or b"").strip() == instance_id.encode()
    notes = ("sem/config_scripts_user", "boot-finished")
    if begun and all(inside.read(root, f"{instance}/{note}") is None for note in notes):
        inside.empty(root, f"{instance}/sem")
        inside.empty(root, f"{CLOUD}/data")


def files(seed: Seed) -> dict[str, str]:
    """The seed's files by name."""
    return {
        "meta-data": json.dumps(meta_data(seed)) + "\n",
        "user-data": seed.user_data,
        "vendor-data": VENDOR_DATA,
        "network-config": json.dumps(network_config(seed)) + "\n",
    }


def meta_data(seed: Seed) -> dict[str, object]:
    """What templates of user data find under `v1` and `ds.meta_data`, named as cloud-init's DigitalOcean source does.

    Its version 1 data have no region at DigitalOcean where cloud-init is older than 23.1; here they always do.
    """
    return {
        "instance-id": seed.instance_id,
        "local-hostname": seed.hostname,
        "public-keys": list(seed.public_keys),
        "cloud-name": "digitalocean",
        "region": seed.region,
        "availability_zone": seed.region,
        "interfaces": interfaces(seed),
    }


def interfaces(seed: Seed) -> dict[str, list[dict[str, object]]]:
    """The addresses in the form of DigitalOcean's metadata."""
    public: dict[str, object] = {
        "ipv4": _ipv4(seed.public_address, seed.public_network.netmask, seed.gateway),
        "type": "public",
    }
    if seed.anchor:
        public["anchor_ipv4"] = _ipv4(seed.anchor.ip, seed.anchor.netmask, seed.anchor.network[1])
    if seed.address6:
        public["ipv6"] = {"ip_address": str(seed.address6), "cidr": 64, "gateway": str(seed.gateway6)}
    private = _ipv4(seed.private_address, seed.private_network.netmask, seed.private_network[1])
    return {"public": [public], "private": [{"ipv4": private, "type": "private"}]}


def _ipv4(address: IPv4Address, netmask: IPv4Address, gateway: IPv4Address) -> dict[str, str]:
    return {"ip_address": str(address), "netmask": str(netmask), "gateway": str(gateway)}


def _instance(written: bytes | None) -> str:
    """The instance that a seed was written for; empty where there is none."""
    try:
        found = json.loads(written or b"{}")
    except ValueError:
        return ""
    return str(found.get("instance-id", "")) if isinstance(found, dict) else ""


def network_config(seed: Seed) -> dict[str, object]:
    """cloud-init's network configuration, version 1: eth0 public with the default route, eth1 private."""
    public = {
        "type": "static",
        "address": f"{seed.public_address}/{seed.public_network.prefixlen}",
        "gateway": str(seed.gateway),
        "dns_nameservers": list(seed.nameservers),
    }
    private = {"type": "static", "address": f"{seed.private_address}/{seed.private_network.prefixlen}"}
    anchor = [{"type": "static", "address": str(seed.anchor)}] if seed.anchor else []
    # Not even its neighbours are on the droplet's link: they are routed, too.
    ipv6 = [{"type": "static6", "address": f"{seed.address6}/128", "gateway": str(seed.gateway6)}]
    return {
        "version": 1,
        "config": [
            {"type": "physical", "name": "eth0", "subnets": [public, *anchor, *(ipv6 if seed.address6 else [])]},
            {"type": "physical", "name": "eth1", "subnets": [private]},
        ],
    }
