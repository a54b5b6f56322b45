"""What happens to a droplet's machine: one method per action, each safe to be done again after a crash."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from threading import Timer

from localocean.config import Config
from localocean.engine.actions import Abandoned, Actions, Settle
from localocean.engine.bases import Bases
from localocean.engine.catalogue import SIZES
from localocean.engine.databases.trusted import Trusted
from localocean.engine.faults import LOST, NETWORK, NEVER, SLOW, Fault
from localocean.engine.kinds import DROPLETS
from localocean.engine.layers import Layers
from localocean.engine.machinery import Machinery
from localocean.engine.tags import Tags
from localocean.engine.vpcs import Vpcs
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from localocean.host.seed import VENDOR_DATA, Seed, begin_anew, write_seed
from localocean.store.records import ACTIVE, BACKUP, DROPLET, IMAGE, IN_PROGRESS, OFF, SNAPSHOT, Action, Droplet, Image
from localocean.store.store import Store

SHUTDOWN_SECONDS = 30.0

log = logging.getLogger("localocean.lifecycle")


class Lifecycle:
    """The droplets' jobs. Raises HostError; what failed to be created leaves nothing behind."""

    vendor_data = VENDOR_DATA

    def __init__(
        self,
        config: Config,
        store: Store,
        actions: Actions,
        machinery: Machinery,
        bases: Bases,
        layers: Layers,
        tags: Tags,
        vpcs: Vpcs,
        trusted: Trusted,
    ) -> None:
        self.config = config
        self.store = store
        self.actions = actions
        self.disks = machinery.disks
        self.machines = machinery.machines
        self.network = machinery.network
        self.bases = bases
        self.layers = layers
        self.tags = tags
        self._muted: set[int] = set()
        self.vpcs = vpcs
        self.trusted = trusted
        actions.jobs |= {
            "create": self._create,
            "destroy": self._destroy,
            "shutdown": self._shutdown,
            "power_off": self._power_off,
            "power_on": self.power_on,
            "power_cycle": self._power_cycle,
            "reboot": self._reboot,
            "snapshot": self._snapshot,
            "rename": self._rename,
        }
        actions.undo |= {"create": self._undo}

    def boot(self, droplet: Droplet) -> None:
        """Start the machine on its disk, which is made when it is not there."""
        root, seed = self.mount(droplet), self._seed(droplet)
        if not self.machines.is_running(droplet.id):
            begin_anew(root, seed.instance_id)
        write_seed(root, seed)
        if droplet.ipv6:
            self.network.enable_ipv6()
        self.trusted.refresh()
        fault = self.actions.faults.boot(droplet.name)
        self._mute(droplet, fault)
        self.machines.start(replace(self.spec(droplet, root), boots=not (fault and fault.effect == NEVER)))
        self._mute(droplet, fault)

    def _mute(self, droplet: Droplet, fault: Fault | None) -> None:
        """Give the droplet the network that it is to have after this boot: none, or only later, or its own."""
        links = self.config.interfaces(droplet.id)
        if (fault and fault.effect in (SLOW, LOST)) or self.actions.faults.holds(NETWORK, droplet.id):
            self.network.mute(links)
            self._muted.add(droplet.id)
            if fault and fault.effect == SLOW:
                timer = Timer(fault.seconds, self.network.mute, (links, False))
                timer.daemon = True
                timer.start()
        elif droplet.id in self._muted:
            self.network.mute(links, False)
            self._muted.discard(droplet.id)

    def mount(self, droplet: Droplet) -> Path:
        """Have the droplet's disk mounted, made if need be; its root."""
        base = self._base(droplet)
        self._still_wanted(droplet.id)
        layers = [*map(self.disks.layer, droplet.layers), *base]
        return self.disks.mount(droplet.id, layers, droplet.disk or SIZES[droplet.size].disk)

    def halt(self, droplet_id: int, *, clean: bool) -> None:
        """Stop the machine, by force when it does not go by itself, and let go of its disk."""
        self.disks.release(droplet_id)
        if not (clean and self.machines.shutdown(droplet_id, SHUTDOWN_SECONDS)):
            self.machines.kill(droplet_id)
        self.disks.unmount(droplet_id)

    def dismantle(self, droplet_id: int) -> None:
        """Leave nothing of the machine."""
        self.disks.release(droplet_id)
        self.machines.kill(droplet_id)
        self.disks.unmount(droplet_id)
        self.disks.delete(droplet_id)
        self.machines.forget(droplet_id)

    def notice_off(self, droplet_id: int) -> None:
        """A machine was found not to run: it powered itself off, unless something is being done to it or the host."""
        with self.actions.lock(DROPLET, droplet_id):
            droplet = self.store.droplets.get(droplet_id)
            busy = self.actions.pending(DROPLET, droplet_id)
            if droplet is None or droplet.status != ACTIVE or busy:
                return
            if self.machines.is_running(droplet_id) or self.machines.host_goes_down():
                return
            self.store.droplets.update(droplet_id, status=OFF)
            log.info("droplet %d powered itself off", droplet_id)
            self.halt(droplet_id, clean=False)

    def _create(self, action: Action) -> Settle:
        droplet = self.droplet(action)
        self.boot(droplet)
        return lambda: self.store.droplets.update(droplet.id, status=ACTIVE)

    def _undo(self, action: Action) -> None:
        """A droplet that never was goes from the records too, so that its clients do not wait for it."""
        try:
            self.dismantle(action.resource_id)
        finally:
            if not self._doomed(action.resource_id):
                self._forget(action.resource_id)
                self.layers.collect()

    def _destroy(self, action: Action) -> Settle:
        droplet = self.store.droplets.get(action.resource_id)
        if droplet:
            self.network.detach(IPv4Address(droplet.public_address))
        self.dismantle(action.resource_id)
        self._forget(action.resource_id)
        if droplet:
            # An address may have been on its way here until now.
            self.network.detach(IPv4Address(droplet.public_address))
        self.layers.collect()
        return lambda: None

    def _forget(self, droplet_id: int) -> None:
        """Its backups go with it, as at DigitalOcean; its snapshots stay."""
        with self.store.transaction():
            for ip in self.store.floating_ips.find("droplet_id = ?", droplet_id):
                self.store.floating_ips.update(ip.id, droplet_id=None)
            for backup in self.store.images.find("droplet_id = ? AND type = ? AND NOT deleted", droplet_id, BACKUP):
                self.store.images.update(backup.id, deleted=True)
                self.tags.forget(IMAGE, backup.id)
            self.tags.forget(DROPLET, droplet_id)
            self.store.memberships.delete("urn = ?", DROPLETS.urn_of(droplet_id))
            self.store.droplets.delete("id = ?", droplet_id)
        self.trusted.refresh()

    def _shutdown(self, action: Action) -> Settle:
        droplet_id = action.resource_id
        if self.machines.is_running(droplet_id) and not self.machines.shutdown(droplet_id, SHUTDOWN_SECONDS):
            raise HostError(f"Droplet {droplet_id} did not shut down within {SHUTDOWN_SECONDS:g} seconds.")
        self.halt(droplet_id, clean=False)
        return lambda: self.store.droplets.update(droplet_id, status=OFF)

    def _power_off(self, action: Action) -> Settle:
        self.halt(action.resource_id, clean=False)
        return lambda: self.store.droplets.update(action.resource_id, status=OFF)

    def power_on(self, action: Action) -> Settle:
        droplet = self.droplet(action)
        try:
            self.boot(droplet)
        except (HostError, OSError):
            self.store.droplets.update(droplet.id, status=OFF)
            self.halt(droplet.id, clean=False)
            raise
        return lambda: self.store.droplets.update(droplet.id, status=ACTIVE)

    def _power_cycle(self, action: Action) -> Settle:
        self.halt(action.resource_id, clean=False)
        return self.power_on(action)

    def _reboot(self, action: Action) -> Settle:
        self.halt(action.resource_id, clean=True)
        return self.power_on(action)

    def _snapshot(self, action: Action) -> Settle:
        image = self.image(action)
        return lambda: self.store.images.add(image)

    def image(self, action: Action, type: str = SNAPSHOT) -> Image:
        """What the droplet has become, as an image that is yet to be recorded.

        Its time is the action's: the Terraform provider finds the snapshot by that.
        """
        droplet = self.droplet(action)
        name, layer = action.args["name"], action.args["layer"]
        try:
            size = self.disks.snapshot(droplet.id, layer)
        except HostError:
            self.layers.collect()
            raise
        parent = self.store.images.get(droplet.image_id)
        return Image(
            name=name,
            type=type,
            distribution=parent.distribution if parent else "Unknown",
            region=droplet.region,
            base=droplet.base,
            base_path=droplet.base_path,
            layers=(layer, *droplet.layers),
            droplet_id=droplet.id,
            min_disk_size=droplet.disk or SIZES[droplet.size].disk,
            size_bytes=size + (parent.size_bytes if parent else 0),
            created_at=action.started_at,
        )

    def _rename(self, action: Action) -> Settle:
        return lambda: self.store.droplets.update(action.resource_id, name=action.args["name"])

    def droplet(self, action: Action) -> Droplet:
        """The droplet that an action is about. Raises Abandoned when it goes or is gone."""
        self._still_wanted(action.resource_id)
        droplet = self.store.droplets.get(action.resource_id)
        if droplet is None:
            raise Abandoned(f"Droplet {action.resource_id} no longer exists.")
        return droplet

    def _still_wanted(self, droplet_id: int) -> None:
        if self._doomed(droplet_id):
            raise Abandoned(f"Droplet {droplet_id} is being deleted.")

    def _doomed(self, droplet_id: int) -> bool:
        doomed = "resource_type = 'droplet' AND resource_id = ? AND type = 'destroy' AND status = ?"
        return self.store.actions.first(doomed, droplet_id, IN_PROGRESS) is not None

    def _base(self, droplet: Droplet) -> list[Path]:
        """The very base that the droplet's layers were made on, however newer ones are made; or nothing."""
        if not droplet.base:
            return []
        if droplet.base_path:
            return [Path(droplet.base_path)]
        base = self.bases.wait(droplet.base)
        self.store.droplets.update(droplet.id, base_path=str(base))
        return [base]

    def spec(self, droplet: Droplet, root: Path) -> MachineSpec:
        """The machine of a droplet, as it is wanted now."""
        size = SIZES[droplet.size]
        return MachineSpec(
            droplet_id=droplet.id,
            hostname=droplet.hostname,
            root=root,
            memory_mb=size.memory,
            vcpus=size.vcpus,
            public_address=IPv4Address(droplet.public_address),
            private_address=IPv4Address(droplet.private_address),
            address6=self._address6(droplet),
            vpc_bridge=self.vpcs.ready(self.vpcs.of(droplet)),
            vpc_range=IPv4Network(self.vpcs.of(droplet).ip_range),
        )

    def _address6(self, droplet: Droplet) -> IPv6Address | None:
        return self.config.address6(IPv4Address(droplet.public_address)) if droplet.ipv6 else None

    def _seed(self, droplet: Droplet) -> Seed:
        return Seed(
            instance_id=str(droplet.id),
            hostname=droplet.hostname,
            public_keys=droplet.public_keys,
            user_data=droplet.user_data,
            public_address=IPv4Address(droplet.public_address),
            public_network=self.config.public_network,
            gateway=self.config.gateway,
            private_address=IPv4Address(droplet.private_address),
            private_network=IPv4Network(self.vpcs.of(droplet).ip_range),
            nameservers=self.network.nameservers(),
            anchor=self.config.anchor(IPv4Address(droplet.public_address)),
            address6=self._address6(droplet),
            gateway6=self.config.gateway6,
            region=droplet.region,
        )
