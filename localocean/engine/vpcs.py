"""VPCs: private networks that never meet, one by default per region, and droplets as their members."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from localocean.config import Config
from localocean.engine.catalogue import DEFAULT_REGION, REGIONS
from localocean.engine.errors import Forbidden, NotFound, Unprocessable
from localocean.network import Network, bridges
from localocean.store.records import DatabaseCluster, DatabaseNode, Droplet, Listing, Page, Vpc
from localocean.store.store import Store

NAME_LENGTH, DESCRIPTION_LENGTH = 255, 255
AUTOMATIC = tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=20))
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


class Vpcs:
    """A VPC is a bridge of its own; no two ranges of one cloud overlap, and its default VPCs are always there."""

    def __init__(self, config: Config, store: Store, network: Network) -> None:
        self.config = config
        self.store = store
        self.network = network

    def seed(self) -> None:
        """Record the default VPC of each region, and tell the network which ranges are private."""
        with self.store.transaction():
            for region in (DEFAULT_REGION, *REGIONS):
                if self.store.vpcs.first("region = ? AND is_default", region) is None:
                    named = uuid.uuid5(uuid.NAMESPACE_DNS, f"{region}.vpc.localocean")
                    self._add(Vpc(uuid=str(named), name=f"default-{region}", region=region, is_default=True))
        self._tell()

    def create(self, name: str, region: str, description: str = "", ip_range: str = "") -> Vpc:
        """Raises Unprocessable in DigitalOcean's words."""
        with self.store.transaction():
            self._check_name(name)
            self._check_description(description)
            if region not in REGIONS:
                raise Unprocessable("Region is invalid")
            wanted = str(self._checked_range(ip_range)) if ip_range else ""
            vpc = self._add(
                Vpc(
                    uuid=str(uuid.uuid4()),
                    name=name,
                    region=region,
                    description=description,
                    ip_range=wanted,
                )
            )
        self._tell()
        return vpc

    def get(self, identifier: str) -> Vpc:
        """Raises NotFound."""
        vpc = self.store.vpcs.first("uuid = ?", identifier)
        if vpc is None:
            raise NotFound
        return vpc

    def page(self, page: Page) -> Listing[Vpc]:
        return self.store.vpcs.page(page)

    def update(self, identifier: str, name: str | None, description: str | None, default: bool | None) -> Vpc:
        """Change what is given. Only one VPC of a region is its default, and there is always one."""
        with self.store.transaction():
            vpc = self.get(identifier)
            if name is not None and name != vpc.name:
                self._check_name(name)
                self.store.vpcs.update(vpc.id, name=name)
            if description is not None:
                self._check_description(description)
                self.store.vpcs.update(vpc.id, description=description)
            if default and not vpc.is_default:
                for other in self.store.vpcs.find("region = ? AND is_default", vpc.region):
                    self.store.vpcs.update(other.id, is_default=False)
                self.store.vpcs.update(vpc.id, is_default=True)
        return self.get(identifier)

    def delete(self, identifier: str) -> None:
        """Raises NotFound, and Forbidden for a default VPC and for one with members."""
        with self.store.transaction():
            vpc = self.get(identifier)
            if vpc.is_default:
                raise Forbidden("Can not delete default VPCs")
            if self._members(vpc):
                raise Forbidden("Can not delete VPC with members")
            self.store.vpcs.delete("id = ?", vpc.id)
        self._tell()
        self.network.remove_vpc(self.bridge(vpc))

    def members(self, identifier: str) -> list[Droplet | DatabaseCluster]:
        """The droplets and the database clusters in a VPC. Raises NotFound."""
        return self._members(self.get(identifier))

    def choose(self, region: str, identifier: str | None) -> Vpc:
        """The VPC for a new droplet: the one that is named, or the region's default. Raises Unprocessable."""
        if identifier:
            vpc = self.store.vpcs.first("uuid = ? AND region = ?", identifier, region)
        else:
            vpc = self.store.vpcs.first("region = ? AND is_default", region)
        if vpc is None:
            raise Unprocessable("You specified an invalid VPC for Droplet creation.")
        return vpc

    def of(self, droplet: Droplet | DatabaseNode) -> Vpc:
        """The VPC that a machine is in."""
        return self.all_of([droplet])[droplet.id]

    def all_of(self, droplets: Sequence[Droplet | DatabaseNode]) -> dict[int, Vpc]:
        """The VPCs of many droplets, asked for at once; one of before there were VPCs is in its region's default."""
        names = sorted({droplet.vpc for droplet in droplets})
        marks = ", ".join("?" * len(names))
        known = {vpc.uuid: vpc for vpc in self.store.vpcs.find(f"uuid IN ({marks}) OR is_default", *names)}
        defaults = {vpc.region: vpc for vpc in known.values() if vpc.is_default}
        return {droplet.id: known.get(droplet.vpc) or defaults[droplet.region] for droplet in droplets}

    def addresses(self, vpc: Vpc) -> Iterator[IPv4Address]:
        """The addresses that droplets can get in a VPC, in order; the first stays the gateway's."""
        return islice(IPv4Network(vpc.ip_range).hosts(), 1, None)

    def bridge(self, vpc: Vpc) -> str:
        """The bridge that is the VPC; two can have the same name only one after the other."""
        return bridges.name(self.config, vpc.number)

    def ready(self, vpc: Vpc) -> str:
        """Make the VPC's bridge unless it is there; its name."""
        self.network.make_vpc(self.bridge(vpc))
        return self.bridge(vpc)

    def remove_bridges(self) -> None:
        """Before everything is forgotten: there are no droplets any more."""
        for vpc in self.store.vpcs.find():
            self.network.remove_vpc(self.bridge(vpc))

    def _members(self, vpc: Vpc) -> list[Droplet | DatabaseCluster]:
        clusters = self.store.database_clusters.find(
            "id IN (SELECT cluster FROM database_nodes WHERE vpc = ?)", vpc.uuid
        )
        return [*self.store.droplets.find("vpc = ?", vpc.uuid), *clusters]

    def _add(self, vpc: Vpc) -> Vpc:
        used = {other.number for other in self.store.vpcs.find()}
        number = next((number for number in range(bridges.MOST) if number not in used), None)
        if number is None:
            raise Unprocessable("You have reached your limit of VPCs.")
        record = self.store.vpcs.add(vpc)
        self.store.vpcs.update(record.id, number=number, ip_range=vpc.ip_range or str(self._free_range()))
        return self.get(vpc.uuid)

    def _ranges(self) -> list[IPv4Network]:
        return [IPv4Network(vpc.ip_range) for vpc in self.store.vpcs.find("ip_range != ''")]

    def _free_range(self) -> IPv4Network:
        """The configured range first, then what is free above it, then below."""
        own, used = self.config.vpc_range, [*self._ranges(), *self._reserved()]
        if not any(own.overlaps(other) for other in used):
            return own
        start = next((n for n, one in enumerate(AUTOMATIC) if one.network_address > own.broadcast_address), 0)
        for candidate in (*AUTOMATIC[start:], *AUTOMATIC[:start]):
            if not any(candidate.overlaps(other) for other in used):
                return candidate
        raise Unprocessable("There is no private range left: delete a VPC.")

    def _reserved(self) -> list[IPv4Network]:
        return [self.config.range, self.config.anchor_network]

    def _checked_range(self, text: str) -> IPv4Network:
        try:
            wanted = IPv4Network(text)
        except ValueError:
            raise Unprocessable("IP range is not valid CIDR notation") from None
        if not 16 <= wanted.prefixlen <= 28:
            raise Unprocessable("Ip range size must be between /28 and /16")
        if not any(wanted.subnet_of(private) for private in PRIVATE):
            raise Unprocessable("Ip range must be within a private range of RFC 1918")
        if any(wanted.overlaps(other) for other in (*self._ranges(), *self._reserved())):
            raise Unprocessable("This range/size overlaps with another VPC network in your account")
        return wanted

    def _check_name(self, name: str) -> None:
        if not name or len(name) > NAME_LENGTH or not NAME_CHARACTERS.issuperset(name):
            raise Unprocessable("Name may only contain alphanumeric characters, dashes and periods")
        if self.store.vpcs.first("name = ?", name):
            raise Unprocessable("a VPC with the same name already exists")

    def _check_description(self, description: str) -> None:
        if len(description) > DESCRIPTION_LENGTH:
            raise Unprocessable(f"Description is too long (maximum is {DESCRIPTION_LENGTH} characters)")

    def _tell(self) -> None:
        self.network.set_private(self._ranges())
