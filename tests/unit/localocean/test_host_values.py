"""What the machine rooms work out before they touch anything: archives, name servers, limits, settings, commands."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from localocean.config import Config, ConfigError
from localocean.host import cgroups, inherit
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec, unit_command
from localocean.host.run import ENVIRONMENT
from localocean.host.seed import begin_anew
from localocean.network import check_ranges, connections, foreign, outside
from localocean.network.databases import Entrance, Machine, ruleset, without
from localocean.network.rules import floating_rules
from localocean.storage.archives import Archive, archives
from localocean.storage.bases import shifted_capability

HYBRID = """\
30 24 0:26 / /sys/fs/cgroup rw shared:4 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
"""


def config(tmp_path: Path, **settings: str) -> Config:
    return Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)} | settings)


def sources(tmp_path: Path, name: str, text: str) -> list[Archive]:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return archives(tmp_path)


def test_archives_of_a_debian_host(tmp_path: Path) -> None:
    text = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
    found = sources(tmp_path, "sources.list.d/debian.sources", text)
    assert found == [
        Archive("http://mirror.example/debian", "bookworm"),
        Archive("http://mirror.example/debian", "bookworm-updates"),
    ]


def test_archives_of_another_debian_and_of_third_parties(tmp_path: Path) -> None:
    text = """\
deb http://mirror.example/debian/ trixie main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://s.example/debian-security trixie-security main
deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example/debian bookworm main
deb http://vendor.example/tool bookworm main
deb-src http://mirror.example/debian trixie main
"""
    assert sources(tmp_path, "sources.list", text) == [
        Archive("http://mirror.example/debian/", "bookworm"),
        Archive("http://s.example/debian-security", "bookworm-security"),
    ]


def test_a_host_of_another_distribution_has_no_archives_for_us(tmp_path: Path) -> None:
    assert sources(tmp_path, "sources.list", "deb http://archive.example/ubuntu noble main universe\n") == []


def test_name_servers_that_only_the_host_reaches_are_passed_over(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    real.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    assert inherit.nameservers([stub, tmp_path / "none", real]) == ["192.0.2.53", "2001:db8::53"]
    assert inherit.nameservers([stub]) == []


def test_limits_go_where_the_layout_has_them(tmp_path: Path) -> None:
    found = cgroups.hierarchies(HYBRID)
    assert [each.root.name for each in found] == ["unified", "systemd", "cpu,cpuacct"]
    quota = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"}
    assert cgroups.limits(found[2], 512, 2, 100) == {**quota, "cpu.shares": "2048"}
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    unified = cgroups.Hierarchy(tmp_path, frozenset())
    counted = {"pids.max": "9", "cgroup.max.descendants": "9", "cgroup.max.depth": "64"}
    assert cgroups.limits(unified, 1, 1, 9) == {"memory.max": "1048576", "memory.swap.max": "0", **counted}


@pytest.mark.parametrize(
    "instance, notes, anew",
    [
        ("7", ["sem/config_ssh"], True),
        ("7", ["sem/config_ssh", "sem/config_scripts_user"], False),
        ("7", ["sem/config_ssh", "boot-finished"], False),
        ("6", ["sem/config_ssh"], False),
    ],
    ids=["cut short", "the user's scripts have begun", "done", "not begun"],
)
def test_only_a_first_boot_that_was_cut_short_begins_anew(
    tmp_path: Path, instance: str, notes: list[str], anew: bool
) -> None:
    cloud = tmp_path / "var/lib/cloud"
    kept, outside = tmp_path / "kept", cloud / "instances/7/sem/outside"
    kept.mkdir()
    (kept / "file").touch()
    (cloud / "instances/7/sem").mkdir(parents=True)
    outside.symlink_to(kept)
    (cloud / "data").mkdir()
    (cloud / "data/instance-id").write_text(f"{instance}\n")
    for note in notes:
        (cloud / "instances/7" / note).touch()
    begin_anew(tmp_path, "7")
    assert (cloud / "data/instance-id").exists() != anew
    assert outside.is_symlink() != anew
    assert all((cloud / "instances/7" / note).exists() != anew for note in notes)
    assert (kept / "file").exists()


def test_settings_derive_everything(tmp_path: Path) -> None:
    ours = config(tmp_path, LOCALOCEAN_RANGE="198.18.0.0/24", LOCALOCEAN_BRIDGE="b" * 12)
    assert str(ours.gateway) == "198.18.0.1"
    assert str(next(ours.public_addresses())) == "198.18.0.2"
    assert str(next(ours.floating_addresses())) == "198.18.0.129"
    assert all(len(name) <= 15 for name in (ours.vpc_bridge, *ours.interfaces(999_999_999)))


@pytest.mark.parametrize(
    "settings",
    [
        {"LOCALOCEAN_PORT": "0"},
        {"LOCALOCEAN_PORT": "http"},
        {"LOCALOCEAN_BRIDGE": "much_too_long_"},
        {"LOCALOCEAN_BRIDGE": "no spaces"},
        {"LOCALOCEAN_RANGE": "198.18.0.1/20"},
        {"LOCALOCEAN_RANGE": "198.18.0.0/30"},
        {"LOCALOCEAN_RANGE": "10.124.0.0/16"},
        {"LOCALOCEAN_CACHE": "relative"},
    ],
)
def test_unusable_settings_are_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        config(tmp_path, **settings)


def test_a_cloud_keeps_its_settings(tmp_path: Path) -> None:
    config(tmp_path, LOCALOCEAN_PORT="9000").save()
    assert config(tmp_path).port == 9000
    assert config(tmp_path, LOCALOCEAN_PORT="9000").port == 9000
    with pytest.raises(ConfigError, match="LOCALOCEAN_PORT=9001 contradicts .* 9000"):
        config(tmp_path, LOCALOCEAN_PORT="9001")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        config(tmp_path)


def test_a_range_that_others_use_is_refused(tmp_path: Path) -> None:
    def interface(name: str, address: str) -> list[dict[str, object]]:
        return [{"ifname": name, "addr_info": [{"local": address, "prefixlen": 16}]}]

    check_ranges(config(tmp_path), interface("lcloud0", "198.18.0.1"))
    check_ranges(config(tmp_path), interface("eth0", "192.168.1.2"))
    with pytest.raises(HostError, match="tun0 uses 10.124.0.0/16"):
        check_ranges(config(tmp_path), interface("tun0", "10.124.7.1"))


@pytest.mark.parametrize("there", [False, True])
def test_beside_another_firewall_the_rules_are_put_right_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    changes = []

    def run(argv: list[str], *, input: str = "") -> str:
        if "-C" not in argv:
            changes.append((argv[0], input.splitlines()))
        elif not there:
            raise HostError("Bad rule (does a matching rule exist in that chain?).")
        return ""

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(foreign, "run", run)
    foreign.accept(ours := config(tmp_path))
    rules = [" ".join(rule) for rule in foreign.rules(ours)]
    removed = [f"-D FORWARD {rule}" for rule in rules if there]
    put = [f"-I FORWARD {rule}" for rule in rules]
    assert changes == [("iptables-restore", ["*filter", *removed, *put, "COMMIT"])]


def test_a_change_of_the_map_of_floating_ips_is_one_transaction_about_what_changes(tmp_path: Path) -> None:
    ours = config(tmp_path)
    moved, stays = IPv4Address("198.18.8.1"), IPv4Address("198.18.8.2")
    two, three, four = (IPv4Address(f"198.18.0.{number}") for number in (2, 3, 4))
    assert floating_rules(ours, {moved: two, stays: three}, {moved: four, stays: three}).splitlines() == [
        "delete element inet localocean_lcloud0 floating { 198.18.8.1 }",
        "add element inet localocean_lcloud0 floating { 198.18.8.1 : 10.16.0.4 }",
        "delete element inet localocean_lcloud0 anchored { 10.16.0.2 }",
        "add element inet localocean_lcloud0 anchored { 10.16.0.4 : 198.18.8.1 }",
    ]
    assert floating_rules(ours, {stays: three}, {stays: three}) == ""
    assert floating_rules(ours, {stays: three}, {}).count("\n") == 2


def test_a_droplets_anchor_address_says_which_it_is(tmp_path: Path) -> None:
    for settings in ({}, {"LOCALOCEAN_RANGE": "198.19.240.0/20"}, {"LOCALOCEAN_RANGE": "192.168.4.0/24"}):
        ours = config(tmp_path, **settings)
        for public in (ours.public_network[2], ours.public_network[-2]):
            anchor = ours.anchor_address(public)
            assert anchor in ours.anchor_network and ours.anchored(anchor) == public
    with pytest.raises(ConfigError, match="anchor addresses"):
        config(tmp_path, LOCALOCEAN_VPC_RANGE="10.17.0.0/20")


def test_a_challenge_is_a_syn_with_a_right_checksum() -> None:
    to = connections.End(IPv4Address("198.18.0.2"), 4711, IPv4Address("198.18.8.1"), 80)
    packet = connections.challenge(to)
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(packet) - 20)
    words = struct.unpack(f"!{(len(packet) - 8) // 2}H", pseudo + packet[20:])
    assert sum(words) % 0xFFFF == 0
    assert struct.unpack("!HH", packet[20:24]) == (80, 4711) and packet[33] == 0x02


def test_both_ends_of_a_connection_are_found() -> None:
    line = (
        "tcp      6 431999 ESTABLISHED src=198.18.0.1 dst=198.18.8.1 sport=4711 dport=80"
        " src=10.16.0.2 dst=198.18.0.1 sport=80 dport=4711 [ASSURED] mark=0 use=1\n"
    )
    host, floating, anchor = (IPv4Address(text) for text in ("198.18.0.1", "198.18.8.1", "10.16.0.2"))
    expected = [connections.End(host, 4711, floating, 80), connections.End(anchor, 80, host, 4711)]
    assert list(connections.ends(line + line.replace("ESTABLISHED", "TIME_WAIT"))) == expected


def test_a_unit_has_the_limits_of_its_size(tmp_path: Path) -> None:
    ours = config(tmp_path)
    spec = MachineSpec(7, "web", tmp_path, 1024, 2, IPv4Address("198.18.0.2"), IPv4Address("10.124.0.2"))
    command = unit_command(ours, "localocean-lcloud0-7", spec, tmp_path / "console")
    assert {"--property=MemoryMax=1024M", "--property=CPUQuota=200%", "--property=Delegate=yes"} <= set(command)
    assert "--private-users=524288:65536" in command[command.index("systemd-nspawn") :]


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


def test_archives_are_known_whose_lists_were_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://192.0.2.7:3142/debian bookworm main\n")
    own = tmp_path / "apt.conf"
    own.write_text(f'Dir::Etc::SourceList "{sources}"; Dir::Etc::SourceParts "/dev/null";')
    monkeypatch.setitem(ENVIRONMENT, "APT_CONFIG", str(own))
    assert outside.endpoints(inherit.archive_urls()) == {("192.0.2.7", 3142)}


@pytest.mark.parametrize("value", ["10.0.0.0/33", "10.0.0.1/8", "host", "10.0.0.0/8;192.0.2.1"])
def test_networks_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="LOCALOCEAN_REACHABLE"):
        config(tmp_path, LOCALOCEAN_REACHABLE=value)


def test_networks_that_droplets_may_reach_are_kept(tmp_path: Path) -> None:
    asked = config(tmp_path, LOCALOCEAN_REACHABLE="10.1.2.0/24,192.168.7.9,10.1.2.7")
    asked.save()
    kept = Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)}).reachable
    assert str(kept) == "10.1.2.0/24,192.168.7.9/32" and kept == asked.reachable
    assert str(config(tmp_path / "other").reachable) == ""


def test_file_capabilities_name_the_root_they_are_of() -> None:
    ping = bytes.fromhex("0100000200200000000000000000000000000000")
    assert shifted_capability(ping).hex() == "0100000300200000000000000000000000000000" + "00000800"


def test_trusted_sources_as_one_transaction(tmp_path: Path) -> None:
    database, web = (Machine(IPv4Address(f"198.18.0.{n}"), IPv4Address(f"10.124.0.{n}"), f"lc0v{n}") for n in (2, 3))
    networks = (IPv4Network("203.0.113.0/24"), IPv4Network("203.0.113.7"), IPv4Network("198.18.0.3"))
    said = ruleset(config(tmp_path, LOCALOCEAN_BRIDGE="own"), [Entrance(database, (web,), networks)])
    added = [line.removeprefix("add element ") for line in said.splitlines() if line.startswith("add element")]
    assert added == [
        "inet localocean_own databases { 198.18.0.2 }",
        "inet localocean_own trusted { 198.18.0.2 . 198.18.0.3/32, 198.18.0.2 . 203.0.113.0/24 }",
        'bridge localocean_own databases { "lc0v2" }',
        "bridge localocean_own trusted { 10.124.0.2 . 198.18.0.3/32, 10.124.0.2 . 203.0.113.0/24 }",
        'bridge localocean_own members { "lc0v3" . 10.124.0.2 }',
    ]
    assert said.count("flush set") == 5
    assert "add element" not in "".join(without(config(tmp_path, LOCALOCEAN_BRIDGE="own")))
