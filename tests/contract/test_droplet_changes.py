"""What changes a droplet, looked at from inside and outside: two machines serve all of it, so the tests keep order."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import digitalocean
import pytest

from tests.contract.support import SSH, Api, Daemon, control_groups, public_address
from tests.support import until

SMALL, LARGE, HUGE = "s-1vcpu-512mb-10gb", "s-1vcpu-1gb", "s-2vcpu-2gb"


@dataclass
class Machine:
    """A droplet, and a way into it."""

    api: Api
    id: int
    identity: Path

    @property
    def record(self) -> dict[str, Any]:
        found = self.api.get(f"/v2/droplets/{self.id}")["droplet"]
        assert isinstance(found, dict)
        return found

    @property
    def address6(self) -> str:
        (network,) = self.record["networks"]["v6"]
        return str(network["ip_address"])

    def sh(self, command: str, address: str = "") -> str:
        """What a command prints inside, as soon as its machine lets us in."""
        target = f"root@{address or public_address(self.record)}"

        def run() -> subprocess.CompletedProcess[str] | None:
            argv = [*SSH, "-i", str(self.identity), target, command]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
            return None if done.returncode == 255 else done

        done = until(run, 60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def act(self, type: str, **arguments: Any) -> dict[str, Any]:
        return self.api.act(self.id, type, **arguments)

    def refuse(self, type: str, status: int = 422, **arguments: Any) -> str:
        body = {"type": type, **arguments}
        return str(self.api.call("POST", f"/v2/droplets/{self.id}/actions", body, status=status)["message"])

    def library(self) -> digitalocean.Droplet:
        return digitalocean.Droplet.get_object(api_token=self.api.token, droplet_id=self.id)

    def finish(self, answer: dict[str, Any]) -> None:
        assert self.api.finish(answer["action"])["status"] == "completed"


@pytest.fixture(scope="module")
def machines(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Machine]]:
    """Two droplets: the first with IPv6 and backups from the beginning."""
    api.call("POST", "/_localocean/reset", status=204)
    identity = tmp_path_factory.mktemp("key") / "id"
    key = api.key(identity)["id"]
    policy = {"plan": "weekly", "weekday": "TUE", "hour": 8}
    first = api.droplet(name="one", ssh_keys=[key], tags=["pair"], ipv6=True, backups=True, backup_policy=policy)
    second = api.droplet(name="two", ssh_keys=[key], tags=["pair"])
    yield Machine(api, first["id"], identity), Machine(api, second["id"], identity)
    api.call("POST", "/_localocean/reset", status=204)


@pytest.fixture
def one(machines: tuple[Machine, Machine]) -> Machine:
    return machines[0]


@pytest.fixture
def two(machines: tuple[Machine, Machine]) -> Machine:
    return machines[1]


@pytest.fixture(autouse=True)
def _library(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-digitalocean finds the cloud by these."""
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", f"{api.endpoint}/v2/")
    monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", api.token)


def reachable(address: str) -> bool:
    """Whether SSH answers; a refusal is none, unlike an address that is nowhere."""
    try:
        with socket.create_connection((address, 22), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except ConnectionError:
        return False


def test_features_asked_for_at_creation(one: Machine, two: Machine) -> None:
    assert set(one.record["features"]) == {"backups", "ipv6", "private_networking"}
    assert two.record["features"] == ["private_networking"]
    assert two.record["networks"]["v6"] == []
    (network,) = one.record["networks"]["v6"]
    assert (network["netmask"], network["type"]) == (64, "public")
    assert IPv6Address(network["gateway"]) in IPv6Network(f"{network['ip_address']}/64", strict=False)
    assert one.library().ip_v6_address == network["ip_address"]


def test_ipv6_can_be_enabled_later_and_works_from_the_next_boot_on(one: Machine, two: Machine) -> None:
    two.sh("cloud-init status --wait")
    two.finish(two.library().enable_ipv6())
    assert "ipv6" in two.record["features"]
    assert two.refuse("enable_ipv6").startswith("IPv6 is already enabled")
    two.act("reboot")
    two.sh("cloud-init status --wait")
    until(lambda: reachable(two.address6), 30)


def test_ipv6_reaches_droplets_from_the_host_and_each_other_and_nothing_else(one: Machine, two: Machine) -> None:
    one.sh("cloud-init status --wait")
    assert one.sh("hostname", one.address6) == "one"
    banner = "timeout 5 bash -c 'head -c 4 </dev/tcp/{}/22'"
    assert one.sh(banner.format(two.address6)) == "SSH-"
    assert one.sh(f"ping -6 -c 1 -W 2 {two.address6} >/dev/null && echo ok") == "ok"
    gateway = one.record["networks"]["v6"][0]["gateway"]
    assert one.sh(f"ping -6 -c 1 -W 2 {gateway} >/dev/null && echo ok") == "ok"
    refused = "timeout 5 bash -c '</dev/tcp/{}/{}' 2>&1 | tail -1"
    nobody = IPv6Address(one.address6) + 77
    for address in ("2001:db8::1", nobody):
        assert "Network is unreachable" in one.sh(refused.format(address, 80))
    with pytest.raises(OSError, match="No route to host"):
        reachable(str(nobody))
    port = one.api.endpoint.rpartition(":")[2]
    assert "ermission denied" in one.sh(refused.format(gateway, port))


def test_nobody_sends_from_anothers_ipv6_address(one: Machine, two: Machine) -> None:
    stolen = IPv6Address(two.address6) + 1
    probe = f"ip -6 address add {stolen}/128 dev eth0; ping -6 -c 1 -W 1 -I {stolen} {two.address6} >/dev/null"
    assert one.sh(f"{probe} && echo reached || echo lost; ip -6 address del {stolen}/128 dev eth0") == "lost"


def test_an_ipv6_address_survives_a_reboot_from_inside(one: Machine) -> None:
    boot = one.sh("cat /proc/sys/kernel/random/boot_id; stat -c %Y /run/systemd")
    one.sh("systemd-run --on-active=0.2 --timer-property=AccuracySec=10ms systemctl reboot 2>/dev/null")
    until(lambda: one.sh("cat /proc/sys/kernel/random/boot_id; stat -c %Y /run/systemd") != boot, 60)
    until(lambda: one.sh("hostname", one.address6) == "one", 30)


def test_backups_and_their_policy(one: Machine, two: Machine, api: Api) -> None:
    path = f"/v2/droplets/{one.id}/backups"
    found = api.get(f"{path}/policy")["policy"]
    assert (found["droplet_id"], found["backup_enabled"]) == (one.id, True)
    assert found["backup_policy"] == {
        "plan": "weekly",
        "weekday": "TUE",
        "hour": 8,
        "window_length_hours": 4,
        "retention_period_days": 28,
    }
    assert found["next_backup_window"] == one.record["next_backup_window"]
    assert found["next_backup_window"]["start"].endswith("T08:00:00Z")
    one.act("change_backup_policy", backup_policy={"plan": "daily", "hour": 20})
    assert api.get(f"{path}/policy")["policy"]["backup_policy"]["retention_period_days"] == 7
    assert "hour" in one.refuse("change_backup_policy", backup_policy={"plan": "daily", "hour": 3})
    assert "already enabled" in one.refuse("enable_backups")
    two.finish(two.library().enable_backups())
    assert set(api.get("/v2/droplets/backups/policies")["policies"]) == {str(one.id), str(two.id)}
    assert [plan["name"] for plan in api.get("/v2/droplets/backups/supported_policies")["supported_policies"]] == [
        "daily",
        "weekly",
    ]
    two.finish(two.library().disable_backups())
    assert api.get(f"/v2/droplets/{two.id}/backups/policy")["policy"] == {
        "droplet_id": two.id,
        "backup_enabled": False,
    }
    assert "not enabled" in two.refuse("disable_backups")
    api.call("POST", f"/_localocean/droplets/{two.id}/backup", status=422)


def test_a_droplet_is_restored_from_its_backup(one: Machine, two: Machine, api: Api) -> None:
    one.sh("echo before >/root/state; sync")
    assert api.finish(api.call("POST", f"/_localocean/droplets/{one.id}/backup", status=201)["action"])
    (backup,) = api.get(f"/v2/droplets/{one.id}/backups")["backups"]
    assert (backup["type"], backup["public"]) == ("backup", False)
    assert one.record["backup_ids"] == [backup["id"]]
    assert one.record["snapshot_ids"] == []
    assert api.get("/v2/snapshots")["snapshots"] == []
    one.sh("echo after >/root/state")
    assert "invalid image" in two.refuse("restore", image=backup["id"])
    assert "invalid image" in one.refuse("restore", image=999)
    one.finish(one.library().restore(backup["id"]))
    assert one.record["status"] == "active"
    assert one.sh("cat /root/state") == "before"


def test_a_rebuild_is_a_fresh_disk_with_the_same_number_addresses_and_keys(one: Machine, api: Api) -> None:
    before = one.record
    old = one.sh("cat /etc/ssh/ssh_host_ed25519_key.pub")
    one.finish(one.library().rebuild("debian-12-x64"))
    assert one.record["networks"] == before["networks"]
    assert one.record["image"]["slug"] == "debian-12-x64"
    assert one.sh("ls /root/state 2>/dev/null || echo gone") == "gone"
    assert one.sh("cat /etc/ssh/ssh_host_ed25519_key.pub") != old
    until(lambda: reachable(one.address6), 30)
    assert "invalid image" in one.refuse("rebuild", image="none-such")


def test_a_password_reset_changes_the_password_and_tells_it_here_only(one: Machine, api: Api) -> None:
    path = f"/_localocean/droplets/{one.id}/password"
    assert api.get(path) == {"password": ""}
    before = one.sh("getent shadow root; stat -c '%a %U %G' /etc/shadow")
    one.finish(one.library().reset_root_password())
    password = api.get(path)["password"]
    after = one.sh("getent shadow root; stat -c '%a %U %G' /etc/shadow")
    assert before.splitlines()[1] == after.splitlines()[1] == "640 root shadow"
    salt = after.split("$")[2]
    expected = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, password], capture_output=True, text=True, check=True
    )
    assert after.split(":")[1] == expected.stdout.strip()
    assert password not in api.send("GET", f"/v2/droplets/{one.id}/actions").text


def test_a_resize_changes_the_limits_of_the_next_boot_and_a_disk_only_grows(two: Machine, daemon: Daemon) -> None:
    assert "powered off" in two.refuse("resize", size=LARGE)
    two.act("power_off")
    assert "invalid size" in two.refuse("resize", size="none-such")
    two.finish(two.library().resize(LARGE, disk=False))
    assert (two.record["size_slug"], two.record["memory"], two.record["disk"]) == (LARGE, 1024, 10)
    two.finish(two.library().resize(HUGE, disk=True))
    assert (two.record["size_slug"], two.record["vcpus"], two.record["disk"]) == (HUGE, 2, 60)
    assert "smaller disk" in two.refuse("resize", size=SMALL)
    two.act("power_on")
    assert limits(two, daemon.env["LOCALOCEAN_BRIDGE"]) == (2048 << 20, 2.0)


def limits(machine: Machine, bridge: str) -> tuple[int, float]:
    """Bytes of memory and number of CPUs that the kernel lets a machine have."""
    name = f"localocean-{bridge}-{machine.id}"
    found: dict[str, list[int]] = {}
    for group in (*control_groups(name), *control_groups(f"{name}.service")):
        for file in ("memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
            if (group / file).exists():
                found[file] = [int(word) for word in (group / file).read_text().split()]
    if "memory.max" in found:
        return found["memory.max"][0], found["cpu.max"][0] / found["cpu.max"][1]
    if "memory.limit_in_bytes" not in found:
        pytest.skip("this host's control groups limit nothing")
    return found["memory.limit_in_bytes"][0], found["cpu.cfs_quota_us"][0] / found["cpu.cfs_period_us"][0]


def test_what_asks_for_what_is_there_or_cannot_be(one: Machine) -> None:
    assert one.act("enable_private_networking")["status"] == "completed"
    assert "kernel" in one.refuse("change_kernel", kernel=12)
    with pytest.raises(digitalocean.DataReadError, match="kernel"):
        one.library().change_kernel(digitalocean.Kernel(id=12))
    one.finish(one.library().enable_private_networking())
    assert one.library().get_kernel_available() == []
    assert one.api.get(f"/v2/droplets/{one.id}/firewalls")["firewalls"] == []
    assert one.api.get("/v2/firewalls")["firewalls"] == []


def test_neighbours_share_a_region(one: Machine, two: Machine, api: Api) -> None:
    assert [found["id"] for found in api.get(f"/v2/droplets/{one.id}/neighbors")["droplets"]] == [two.id]
    assert api.get("/v2/reports/droplet_neighbors_ids")["neighbor_ids"] == [[one.id, two.id]]


def test_actions_on_all_droplets_with_a_tag(one: Machine, two: Machine, api: Api) -> None:
    path = "/v2/droplets/actions?tag_name=pair"
    begun = api.call("POST", path, {"type": "power_off"}, status=201)["actions"]
    assert [action["resource_id"] for action in begun] == [one.id, two.id]
    for action in begun:
        assert api.finish(action)["status"] == "completed"
    api.call("POST", path, {"type": "resize", "size": LARGE}, status=422)
    assert api.call("POST", "/v2/droplets/actions?tag_name=none", {"type": "shutdown"}, status=201) == {"actions": []}


def test_a_droplet_goes_with_what_belongs_to_it(one: Machine, two: Machine, api: Api) -> None:
    """Both are off now."""
    for machine in (one, two):
        machine.act("snapshot", name="a")
    two.act("snapshot", name="b")
    address = api.call("POST", "/v2/reserved_ips", {"droplet_id": two.id}, status=202)
    assert api.finish(address["links"]["actions"][0])["status"] == "completed"
    path = f"/v2/droplets/{two.id}/destroy_with_associated_resources"
    found = api.get(path)
    assert [snapshot["name"] for snapshot in found["snapshots"]] == ["a", "b"]
    assert [ip["name"] for ip in found["reserved_ips"]] == [address["reserved_ip"]["ip"]]
    api.call("GET", f"{path}/status", status=404)
    for unknown in ({"snapshots": ["1"]}, {"volumes": ["x"]}, {"volume_snapshots": ["x"]}):
        api.call("DELETE", f"{path}/selective", unknown, status=404)
    chosen = {"snapshots": [found["snapshots"][0]["id"]], "reserved_ips": [found["reserved_ips"][0]["id"]]}
    api.call("DELETE", f"{path}/selective", chosen, status=202)
    status = until(lambda: (s := api.get(f"{path}/status")).get("completed_at") and s)
    assert (status["failures"], status["droplet"]["id"], status["droplet"]["name"]) == (0, str(two.id), "two")
    assert [snapshot["name"] for snapshot in status["resources"]["snapshots"]] == ["a"]
    api.call("GET", f"/v2/droplets/{two.id}", status=404)
    assert api.get("/v2/reserved_ips")["reserved_ips"] == []
    assert sorted(image["name"] for image in api.get("/v2/snapshots")["snapshots"]) == ["a", "b"]

    path = f"/v2/droplets/{one.id}/destroy_with_associated_resources"
    api.call("DELETE", f"{path}/dangerous", status=400)
    assert api.send("DELETE", f"{path}/dangerous", headers={"X-Dangerous": "true"}).status_code == 202
    until(lambda: api.get(f"{path}/status").get("completed_at"))
    assert [image["name"] for image in api.get("/v2/images?private=true")["images"]] == ["b"], "its backup went, too"
    api.call("POST", f"{path}/retry", status=202)
