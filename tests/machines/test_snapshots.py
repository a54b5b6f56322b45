"""A snapshot holds what its droplet wrote; what is made of it is a droplet of its own."""

from __future__ import annotations

from .conftest import Cloud

IDENTITY = (
    "cloud-init status --wait >/dev/null;"
    " cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; cloud-init query instance_id"
)


def test_a_droplet_of_a_snapshot(cloud: Cloud) -> None:
    first = cloud.boot()
    _, before = cloud.sh(first.public_address, IDENTITY)
    cloud.sh(first.public_address, "echo baked >/root/file; rm /usr/bin/less; truncate -s0 /etc/machine-id; sync")
    assert cloud.machines.shutdown(first.droplet_id)
    size = cloud.disks.snapshot(first.droplet_id, "layer-1")
    assert cloud.disks.snapshot(first.droplet_id, "layer-1") == size == cloud.disks.layer_size("layer-1") > 0
    cloud.remove(first)

    second = cloud.boot([cloud.disks.layer("layer-1"), cloud.base])
    status, after = cloud.sh(second.public_address, IDENTITY)
    assert status == 0
    assert len(after.splitlines()) == len(before.splitlines()) == 3
    for old, new in zip(before.splitlines(), after.splitlines(), strict=True):
        assert old != new, "machine id, host key and instance id are new"
    assert cloud.sh(second.public_address, "cat /root/file; test ! -e /usr/bin/less && hostname")[1].split() == [
        "baked",
        second.hostname,
    ]
    cloud.remove(second)
    cloud.disks.delete_layer("layer-1")
    cloud.disks.delete_layer("layer-1")
    assert not cloud.disks.layer("layer-1").exists()
