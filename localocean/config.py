"""The settings of one local cloud: where it lives, what its network is called, which addresses it owns.

Several clouds can live on one machine as long as their state directories, ports, bridges and ranges differ. The
settings of a cloud are written to ``<state>/config.json`` by :meth:`Config.save` and win over the defaults from
then on; an environment variable that contradicts them is an error, never a silent change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from itertools import islice
from pathlib import Path

DEFAULTS = {
    "state": "/var/lib/localocean/default",
    "port": "8484",
    "tls_port": "",
    "bridge": "lcloud0",
    "range": "198.18.0.0/20",
    "vpc_range": "10.124.0.0/20",
    "cache": "/var/cache/localocean",
    "rate_limit": "",
    "image_aliases": "",
    "prices": "",
    "database_versions": "",
    "database_backups": "",
    "reachable": "",
}

ANCHORS = IPv4Network("10.16.0.0/15")


TLS_DISTANCE = 1000
FORMER = "LOCALCLOUD_"
"""How variables began when the local cloud had another name."""


class ConfigError(Exception):
    """A setting that cannot be used. ``message`` is one sentence; ``hint`` says what would do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Pairs(dict[str, str]):
    """A setting of the form ``name=value,name=value``."""

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.items())


class Networks(tuple[IPv4Network, ...]):
    """A setting of the form ``network,network``."""

    __slots__ = ()

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True)
class Config:
    """One cloud's settings; everything that is named or addressed after them is derived here."""

    state: Path
    port: int
    tls_port: int
    bridge: str
    range: IPv4Network
    vpc_range: IPv4Network
    cache: Path
    rate_limit: str = ""
    """`on` for DigitalOcean's limits of requests, or others as `MINUTE/HOUR`; nothing for none."""
    image_aliases: Pairs = field(default_factory=Pairs)
    """Slugs of base images that cannot be made here, each with one that is offered in its place."""
    prices: Pairs = field(default_factory=Pairs)
    """US dollars a month by size, where the price list is not today's."""
    database_versions: Pairs = field(default_factory=Pairs)
    """Versions of PostgreSQL that are not here, each with the one that runs in its place."""
    database_backups: str = ""
    """Seconds between two backups of a database cluster; nothing for DigitalOcean's one a day."""
    reachable: Networks = Networks()
    """Networks beyond this machine that droplets may meet though they are private."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Config:
        """The settings that ``LOCALOCEAN_*`` name, else those of the existing cloud, else the defaults.

        Raises ``ConfigError`` for a value that is unusable or contradicts the existing cloud's.
        """
        if former := sorted(name for name in env if name.startswith(FORMER)):
            raise ConfigError(
                f"{', '.join(former)}: the local cloud and its variables are called localocean now.",
                f"Unset it, or write {former[0].replace(FORMER, 'LOCALOCEAN_', 1)}.",
            )
        asked = {name: env[f"LOCALOCEAN_{name.upper()}"] for name in DEFAULTS if env.get(f"LOCALOCEAN_{name.upper()}")}
        state = Path(asked.get("state", DEFAULTS["state"]))
        stored = _stored(state / "config.json")
        wanted = cls._parse(DEFAULTS | stored | asked)
        for name in asked.keys() & stored.keys():
            if getattr(wanted, name) != getattr(cls._parse(DEFAULTS | stored | {"state": str(state)}), name):
                variable = f"LOCALOCEAN_{name.upper()}"
                raise ConfigError(
                    f"{variable}={asked[name]} contradicts the cloud in {state}, which has {stored[name]}.",
                    f"Unset {variable}, or give the new cloud a LOCALOCEAN_STATE of its own.",
                )
        return wanted

    @classmethod
    def _parse(cls, values: Mapping[str, str]) -> Config:
        port = _port(values, "port")
        # Not the next one, which is what people give to their second cloud.
        beside = port + TLS_DISTANCE if port + TLS_DISTANCE < 65536 else port - TLS_DISTANCE
        config = cls(
            state=_directory(values, "state"),
            port=port,
            tls_port=_port(values, "tls_port") if values["tls_port"] else beside,
            bridge=_bridge(values["bridge"]),
            range=_network(values, "range"),
            vpc_range=_network(values, "vpc_range"),
            cache=_directory(values, "cache"),
            rate_limit=_rate_limit(values["rate_limit"]),
            image_aliases=_pairs(values, "image_aliases", r"[a-z0-9][a-z0-9-]*"),
            prices=_pairs(values, "prices", r"\d{1,5}(\.\d+)?"),
            database_versions=_pairs(values, "database_versions", "15"),
            database_backups=_seconds(values, "database_backups"),
            reachable=_networks(values, "reachable"),
        )
        if config.vpc_range.overlaps(ANCHORS):
            raise ConfigError(
                f"The range {config.vpc_range} overlaps {ANCHORS}, where droplets have their anchor addresses.",
                "Choose another LOCALOCEAN_VPC_RANGE.",
            )
        if config.port == config.tls_port:
            raise ConfigError(f"The port {port} cannot be for HTTP and HTTPS.", "Choose another LOCALOCEAN_TLS_PORT.")
        if config.range.overlaps(config.vpc_range):
            raise ConfigError(
                f"The ranges {config.range} and {config.vpc_range} overlap.",
                "Choose LOCALOCEAN_RANGE and LOCALOCEAN_VPC_RANGE so that they have no address in common.",
            )
        return config

    def save(self) -> None:
        """Write ``<state>/config.json`` (nothing secret; readable by all), at once or not at all."""
        path = self.state / "config.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps({name: str(getattr(self, name)) for name in DEFAULTS}, indent=2) + "\n")
        draft.chmod(0o644)
        draft.replace(path)

    @property
    def gateway(self) -> IPv4Address:
        """The host's own address in the range; the droplets' default route."""
        return self.range[1]

    @property
    def public_network(self) -> IPv4Network:
        """The lower half of the range: the gateway and the droplets' public addresses."""
        return next(self.range.subnets())

    @property
    def floating_network(self) -> IPv4Network:
        """The upper half of the range: floating IPs."""
        return list(self.range.subnets())[1]

    def public_addresses(self) -> Iterator[IPv4Address]:
        """The addresses that droplets can get, in order."""
        return islice(self.public_network.hosts(), 1, None)

    def floating_addresses(self) -> Iterator[IPv4Address]:
        """The addresses that floating IPs can get, in order."""
        return self.floating_network.hosts()

    def private_addresses(self) -> Iterator[IPv4Address]:
        """The addresses that droplets can get in the VPC, in order; the first host address stays the gateway's."""
        return islice(self.vpc_range.hosts(), 1, None)

    @property
    def private_gateway(self) -> IPv4Address:
        """The address that the VPC keeps for its gateway; no machine has it."""
        return self.vpc_range[1]

    @property
    def anchor_network(self) -> IPv4Network:
        """Where droplets have the address that floating IPs are translated to: 10.16.0.0/15, numbered as the range."""
        public = self.public_network
        return IPv4Network((self._anchor(public.network_address), public.prefixlen))

    @property
    def anchor_gateway(self) -> IPv4Address:
        """The host's own address among the anchor addresses."""
        return self.anchor_network[1]

    def anchor_address(self, public: IPv4Address) -> IPv4Address:
        """The anchor address of the droplet that has this public address."""
        return self._anchor(public)

    def anchor(self, public: IPv4Address) -> IPv4Interface:
        """The same with the network that the droplet sees it in."""
        return IPv4Interface((self._anchor(public), self.anchor_network.prefixlen))

    def anchored(self, anchor: IPv4Address) -> IPv4Address:
        """The public address of the droplet that has this anchor address."""
        kept, taken = int(ANCHORS.netmask), int(ANCHORS.hostmask)
        return IPv4Address(int(self.range.network_address) & kept | int(anchor) & taken)

    @staticmethod
    def _anchor(public: IPv4Address) -> IPv4Address:
        return ANCHORS[int(public) & int(ANCHORS.hostmask)]

    @property
    def network6(self) -> IPv6Network:
        """The droplets' public IPv6 addresses: unique local ones (RFC 4193), the range being the cloud's global id.

        No router of the world forwards them, and no two clouds of a machine share them.
        """
        return IPv6Network((0xFDC1 << 112 | int(self.range.network_address) << 80, 64))

    @property
    def gateway6(self) -> IPv6Address:
        """The host's own address in :attr:`network6`; the default route of the droplets that have IPv6."""
        return self.network6[1]

    def address6(self, public: IPv4Address) -> IPv6Address:
        """The IPv6 address of the droplet with this public IPv4 address, which is its last 32 bits."""
        return self.network6[int(public)]

    @property
    def vpc_bridge(self) -> str:
        """The bridge of the private network (VPC)."""
        return f"{self.bridge}p"

    @property
    def group(self) -> int:
        """What this cloud's bridges, and those of no other of the machine, bear as their interface group."""
        return int(hashlib.sha256(str(self.state).encode()).hexdigest()[:7], 16) | 1

    def interfaces(self, droplet_id: int) -> tuple[str, str]:
        """The host's ends of a droplet's public and private interface: unique on the machine, at most 15 characters."""
        return f"{self.public_prefix}{droplet_id:x}", f"{self._interface_prefix}v{droplet_id:x}"

    @property
    def public_prefix(self) -> str:
        """What the host's ends of this cloud's public interfaces, and no others, begin with."""
        return f"{self._interface_prefix}p"

    @property
    def _interface_prefix(self) -> str:
        return f"lc{hashlib.sha256(self.bridge.encode()).hexdigest()[:4]}"

    @property
    def table(self) -> str:
        """The nftables table (family inet) that holds every rule of this cloud."""
        return f"localocean_{self.bridge}"

    @property
    def unit_prefix(self) -> str:
        """What the units or control groups of this cloud's machines begin with; the droplet id follows."""
        return f"localocean-{self.bridge}-"


def _stored(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"The settings in {path} cannot be read: {error}.", "Repair or remove that file.") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f"The settings in {path} are not a map of strings.", "Repair or remove that file.")
    return {name: value for name, value in values.items() if name in DEFAULTS and name != "state"}


def _directory(values: Mapping[str, str], name: str) -> Path:
    path = Path(values[name])
    if not path.is_absolute() or any(character in values[name] for character in ":,\\\n"):
        raise ConfigError(
            f"LOCALOCEAN_{name.upper()}={values[name]} is not a usable directory.",
            "Give an absolute path without colon, comma or backslash.",
        )
    return path


def _port(values: Mapping[str, str], name: str) -> int:
    value = values[name]
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise ConfigError(f"LOCALOCEAN_{name.upper()}={value} is not a port.", "Give a number from 1 to 65535.")
    return int(value)


def _rate_limit(value: str) -> str:
    if not re.fullmatch(r"|on|off|[1-9]\d{0,6}/[1-9]\d{0,6}", value, re.ASCII):
        raise ConfigError(
            f"LOCALOCEAN_RATE_LIMIT={value} is not a limit.", "Give on, off, or MINUTE/HOUR as in 250/5000."
        )
    return value


def _seconds(values: Mapping[str, str], name: str) -> str:
    if not re.fullmatch(r"|[1-9]\d{0,6}", values[name], re.ASCII):
        raise ConfigError(
            f"LOCALOCEAN_{name.upper()}={values[name]} is no number of seconds.", "Give a whole number from 1."
        )
    return values[name]


def _networks(values: Mapping[str, str], name: str) -> Networks:
    try:
        return Networks(collapse_addresses(IPv4Network(each) for each in values[name].split(",") if each))
    except ValueError as error:
        raise ConfigError(
            f"LOCALOCEAN_{name.upper()}={values[name]} is not a list of networks: {error}.",
            "Give them as in 10.1.2.0/24,192.168.7.9.",
        ) from None


def _pairs(values: Mapping[str, str], name: str, form: str) -> Pairs:
    found = Pairs(pair.split("=", 1) for pair in values[name].split(",") if "=" in pair)
    good = all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", key) and re.fullmatch(form, value) for key, value in found.items())
    if not good or str(found) != values[name]:
        raise ConfigError(f"LOCALOCEAN_{name.upper()}={values[name]} cannot be read.", "Give NAME=VALUE,NAME=VALUE.")
    return found


def _bridge(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,11}", value):
        raise ConfigError(
            f"LOCALOCEAN_BRIDGE={value} is not a usable name.",
            "Give at most 12 lower-case letters, digits and underscores, beginning with a letter.",
        )
    return value


def _network(values: Mapping[str, str], name: str) -> IPv4Network:
    try:
        network = IPv4Network(values[name])
    except ValueError as error:
        raise ConfigError(
            f"LOCALOCEAN_{name.upper()}={values[name]} is not a network: {error}.", "Give one as in 198.18.0.0/20."
        ) from None
    if not 16 <= network.prefixlen <= 28:
        raise ConfigError(f"LOCALOCEAN_{name.upper()}={network} has a wrong size.", "Choose a prefix from /16 to /28.")
    return network
