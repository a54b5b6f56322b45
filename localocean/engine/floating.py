"""Floating (also called reserved) IPs: addresses that move between droplets."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from localocean.config import Config
from localocean.engine.actions import Actions, Settle
from localocean.engine.addresses import choose
from localocean.engine.catalogue import REGIONS
from localocean.engine.droplets import Droplets, DropletView
from localocean.engine.errors import PENDING_ADDRESS, PENDING_DROPLET, NotFound, Unprocessable
from localocean.engine.limits import FLOATING_IPS as LIMIT
from localocean.engine.projects import ADDRESS, Projects
from localocean.network import Network
from localocean.store.records import (
    DROPLET,
    FLOATING_IP,
    IN_PROGRESS,
    NEW,
    Action,
    Droplet,
    FloatingIP,
    Listing,
    Page,
)
from localocean.store.store import Store

ASSIGN, UNASSIGN = "assign_ip", "unassign_ip"


@dataclass(frozen=True)
class FloatingView:
    """An address with the droplet that it points at."""

    record: FloatingIP
    droplet: DropletView | None
    locked: bool


class FloatingIPs:
    """Moving an address is one change of the network's map; the record follows it."""

    def __init__(
        self,
        config: Config,
        store: Store,
        actions: Actions,
        droplets: Droplets,
        projects: Projects,
        network: Network,
    ) -> None:
        self.config = config
        self.store = store
        self.actions = actions
        self.droplets = droplets
        self.projects = projects
        self.network = network
        actions.jobs |= {ASSIGN: self._assign, UNASSIGN: self._unassign}

    def reserve(self, region: str, project: str | None = None) -> FloatingView:
        """A new address that points nowhere. Raises Unprocessable."""
        with self.store.transaction():
            return self.view(self._add(region, project))

    def reserve_for(self, droplet_id: int) -> tuple[FloatingView, Action]:
        """A new address, and the action that will point it at the droplet, in whose project it then is."""
        with self.store.transaction():
            droplet = self._target(droplet_id)
            record = self._add(droplet.region)
            action = self._begin(record, ASSIGN, {"droplet_id": droplet.id})
            view = self.view(record)
        self.actions.submit(action)
        return view, action

    def get(self, address: str) -> FloatingView:
        return self.view(self.record(address))

    def record(self, address: str) -> FloatingIP:
        found = self.store.floating_ips.first("address = ?", address)
        if found is None:
            raise NotFound
        return found

    def of(self, droplet: int) -> FloatingIP | None:
        """The one that points at a droplet, if one does."""
        return self.store.floating_ips.first("droplet_id = ?", droplet)

    def page(self, page: Page) -> Listing[FloatingView]:
        listing = self.store.floating_ips.page(page)
        return Listing([self.view(record) for record in listing.items], listing.total)

    def assign(self, address: str, droplet_id: int) -> Action:
        """Point the address at the droplet, away from wherever it points now."""
        with self.store.transaction():
            record = self.record(address)
            droplet = self._target(droplet_id, address)
            if droplet.region != record.region:
                raise Unprocessable("The floating IP and the Droplet must be in the same region.")
            action = self._begin(record, ASSIGN, {"droplet_id": droplet_id})
        self.actions.submit(action)
        return action

    def unassign(self, address: str) -> Action:
        with self.store.transaction():
            record = self.record(address)
            self._idle(record)
            if record.droplet_id is None:
                raise Unprocessable("The floating IP is not assigned to a Droplet.")
            action = self._begin(record, UNASSIGN)
        self.actions.submit(action)
        return action

    def release(self, address: str) -> None:
        """Give the address back. Raises NotFound, Unprocessable while it is being moved, HostError."""
        with self.store.transaction():
            record = self.record(address)
            self._idle(record)
            forget(self.store, record)
        self.network.move_floating(IPv4Address(address), None)

    def table(self) -> dict[IPv4Address, IPv4Address]:
        """Where every assigned address points."""
        droplets = {droplet.id: droplet for droplet in self.store.droplets.find()}
        return {
            IPv4Address(record.address): IPv4Address(droplets[record.droplet_id].public_address)
            for record in self.store.floating_ips.find("droplet_id IS NOT NULL")
            if record.droplet_id in droplets
        }

    def view(self, record: FloatingIP) -> FloatingView:
        droplet = self.store.droplets.get(record.droplet_id) if record.droplet_id else None
        locked = self.actions.pending(FLOATING_IP, number(record.address))
        return FloatingView(record, self.droplets.views([droplet])[0] if droplet else None, locked)

    def _add(self, region: str, project: str | None = None) -> FloatingIP:
        if region not in REGIONS:
            raise Unprocessable("You specified an invalid region for floating IP creation.")
        others = self.store.floating_ips.find()
        if len(others) >= LIMIT:
            raise Unprocessable("You have reached your limit of floating IPs.")
        record = self.store.floating_ips.add(FloatingIP(region=region))
        address = choose(self.config.floating_addresses(), (ip.address for ip in others), record.id - 1)
        self.store.floating_ips.update(record.id, address=address)
        if project:
            self.projects.file(urn(address), project)
        return self.record(address)

    def _target(self, droplet_id: int, address: str = "") -> Droplet:
        """The droplet that an address is to point at, which no other does or will."""
        droplet = self.store.droplets.get(droplet_id)
        if droplet is None:
            raise Unprocessable("The Droplet to assign the floating IP to could not be found.")
        if droplet.status == NEW or self.actions.pending(DROPLET, droplet_id):
            raise Unprocessable(PENDING_DROPLET)
        pointing = {ip.address for ip in self.store.floating_ips.find("droplet_id = ?", droplet_id)}
        moving = self.store.actions.find("type = ? AND status = ?", ASSIGN, IN_PROGRESS)
        coming = {str(IPv4Address(to.resource_id)) for to in moving if to.args["droplet_id"] == droplet_id}
        if (pointing | coming) - {address}:
            raise Unprocessable("The Droplet already has a floating IP.")
        return droplet

    def _idle(self, record: FloatingIP) -> None:
        if self.actions.pending(FLOATING_IP, number(record.address)):
            raise Unprocessable(PENDING_ADDRESS)

    def _begin(self, record: FloatingIP, type: str, args: dict[str, int] | None = None) -> Action:
        return self.actions.begin(type, FLOATING_IP, number(record.address), record.region, args)

    def _assign(self, action: Action) -> Settle:
        """The droplet may have gone meanwhile: then the address points nowhere."""
        address = IPv4Address(action.resource_id)
        droplet = self.store.droplets.get(action.args["droplet_id"])
        if not self.actions.faults.move(str(address)):
            self.network.move_floating(address, IPv4Address(droplet.public_address) if droplet else None)
        if droplet and self.store.droplets.get(droplet.id) is None:
            self.network.detach(IPv4Address(droplet.public_address))
        return lambda: self._point(str(address), action.args["droplet_id"])

    def _unassign(self, action: Action) -> Settle:
        address = IPv4Address(action.resource_id)
        self.network.move_floating(address, None)
        return lambda: self._point(str(address), None)

    def _point(self, address: str, droplet_id: int | None) -> None:
        if droplet_id is not None and self.store.droplets.get(droplet_id) is None:
            droplet_id = None
        self.store.floating_ips.update(self.record(address).id, droplet_id=droplet_id)


def forget(store: Store, record: FloatingIP) -> None:
    """An address is given back; who has it next is in no project for that."""
    store.floating_ips.delete("id = ?", record.id)
    store.memberships.delete("urn = ?", urn(record.address))


def urn(address: str) -> str:
    """The name under which an address is in a project, whichever of its two kinds it was asked for as."""
    return f"{ADDRESS}{address}"


def number(address: str) -> int:
    """An address as the number that its actions name as their resource."""
    return int(IPv4Address(address))
