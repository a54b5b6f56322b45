"""One cloud: its parts put together, started, stopped, emptied."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from localocean.config import Config
from localocean.engine.actions import Actions
from localocean.engine.apart import attempt
from localocean.engine.associated import Associated
from localocean.engine.bases import Bases
from localocean.engine.catalogue import BASES
from localocean.engine.changes import Changes
from localocean.engine.databases.backups import Backups
from localocean.engine.databases.clusters import Clusters
from localocean.engine.databases.jobs import Jobs
from localocean.engine.databases.metrics import Metrics
from localocean.engine.databases.nodes import Nodes
from localocean.engine.databases.numbers import number
from localocean.engine.databases.pools import Pools
from localocean.engine.databases.replicas import Replicas
from localocean.engine.databases.trusted import Trusted
from localocean.engine.databases.users import Users
from localocean.engine.droplet_actions import DropletActions
from localocean.engine.droplets import Droplets
from localocean.engine.faults import NETWORK, Fault, Faults
from localocean.engine.floating import FloatingIPs
from localocean.engine.images import Images
from localocean.engine.imports import CustomImages
from localocean.engine.keys import Keys
from localocean.engine.layers import Layers
from localocean.engine.lifecycle import Lifecycle
from localocean.engine.machinery import Machinery
from localocean.engine.projects import Projects
from localocean.engine.rates import Limits, Rates
from localocean.engine.tags import Tags
from localocean.engine.vpcs import Vpcs
from localocean.store.records import ACTIVE, DROPLET, IN_PROGRESS, OFF
from localocean.store.store import Store

WATCH_SECONDS = 1.0
SURVEY_SECONDS = 20.0
GUARD_SECONDS = 0.25
"""Between two looks at the room that is left: a droplet writes some hundred megabytes meanwhile, and not a gigabyte."""

STOPPING_AT_ONCE = 8


class Cloud:
    """Everything that a request can reach. Safe to use from many threads."""

    def __init__(self, config: Config, machinery: Machinery) -> None:
        self.config = config
        self.machinery = machinery
        self.store = Store(config.state / "cloud.db")
        self.faults = Faults()
        self.rates = Rates(Limits.parse(config.rate_limit))
        self.actions = Actions(self.store, self.faults)
        self.bases = Bases(machinery.bases, self.actions.stopping)
        self.keys = Keys(self.store)
        self.trusted = Trusted(config, self.store, machinery.network)
        self.tags = Tags(self.store, self.trusted.refresh)
        self.layers = Layers(self.store, machinery.disks)
        self.images = Images(config, self.store, self.tags, self.layers)
        self.custom_images = CustomImages(self.store, self.actions, self.images, machinery.imports)
        self.projects = Projects(self.store)
        self.vpcs = Vpcs(config, self.store, machinery.network)
        self.droplets = Droplets(config, self.store, self.actions, self.keys, self.images, self.tags, self.vpcs)
        self.floating_ips = FloatingIPs(
            config, self.store, self.actions, self.droplets, self.projects, machinery.network
        )
        self.lifecycle = Lifecycle(
            config, self.store, self.actions, machinery, self.bases, self.layers, self.tags, self.vpcs, self.trusted
        )
        self.droplet_actions = DropletActions(self.store, self.actions, self.droplets, self.images)
        self.associated = Associated(self.store, self.actions, self.droplets, self.tags)
        self.database_nodes = Nodes(config, self.store, machinery, self.bases, self.vpcs, self.trusted, self.faults)
        self.database_backups = Backups(config, self.store, self.actions, self.database_nodes)
        self.databases = Clusters(
            config,
            self.store,
            self.actions,
            self.bases,
            self.database_nodes,
            self.trusted,
            self.tags,
            self.vpcs,
            self.projects,
            self.database_backups,
        )
        self.database_jobs = Jobs(self.store, self.actions, self.database_nodes, self.database_backups)
        shared = (self.store, self.actions, self.databases, self.database_nodes, self.database_jobs)
        self.database_users = Users(*shared, self.database_backups)
        self.database_pools = Pools(*shared)
        self.database_metrics = Metrics(self.store, self.database_nodes)
        self.database_replicas = Replicas(*shared, self.tags)
        Changes(self.store, self.actions, machinery, self.lifecycle, self.images)
        self._watchers = [
            threading.Thread(target=self._watch, name="watcher", daemon=True),
            threading.Thread(target=self._survey, name="surveyor", daemon=True),
            threading.Thread(target=self._guard_room, name="guard", daemon=True),
        ]

    def start(self) -> None:
        """Make the machine agree with the records: network, machines, and what was left half done.

        Raises HostError when the network cannot be set up.
        """
        self.images.seed()
        self.projects.seed()
        self.machinery.disks.limits()  # found out once, before anybody waits for it
        self.machinery.network.up()
        self.vpcs.seed()
        self.machinery.network.set_floating(self.floating_ips.table())
        self.trusted.refresh()
        for slug in BASES:
            self.bases.prepare(slug)
        self._remove_strays()
        self._resume()
        self.layers.collect()
        for watcher in self._watchers:
            watcher.start()

    def nameservers(self) -> list[str]:
        """The name servers that droplets are told."""
        return self.machinery.network.nameservers()

    def hardware_addresses(self, droplet: int) -> dict[str, str]:
        """The hardware addresses of a droplet that runs, by the names of its interfaces."""
        return self.machinery.machines.hardware_addresses(droplet)

    def database_authority(self) -> bytes:
        """The certificate, in PEM, by which database servers are known."""
        return self.machinery.authority.certificate()

    def stop(self) -> None:
        """Power every machine off cleanly and take the network down; the records stay, for the next start."""
        self.actions.stop()
        for watcher in self._watchers:
            if watcher.is_alive():
                watcher.join()
        self._each(self.machinery.machines.running(), lambda id: self.lifecycle.halt(id, clean=True))
        self.machinery.network.down()
        self.store.close()

    def reset(self) -> None:
        """Remove every machine, record, disk and layer at once; the server goes on, empty."""
        self.clear_faults()
        self.actions.paused = True
        try:
            self.actions.drain()
            machines = {droplet.id for droplet in self.store.droplets.find()} | self._database_machines()
            self._each(machines | self.machinery.machines.running(), self.lifecycle.dismantle)
            # A second try for a disk that was busy, and the rest of droplets whose removal failed before.
            self._each(self.machinery.machines.traces() | self.machinery.disks.known(), self.lifecycle.dismantle)
            self.machinery.network.set_floating({})
            self.vpcs.remove_bridges()
            layers = self.store.layers.find()
            self.store.clear()
            self.database_backups.clear()
            for layer in layers:  # one that cannot be removed has no record any more, so the next start tries again
                attempt(f"layer {layer.name}", partial(self.machinery.disks.delete_layer, layer.name))
            self.images.seed()
            self.projects.seed()
            self.vpcs.seed()
            self.trusted.refresh()
        finally:
            self.actions.paused = False

    def add_fault(self, values: Mapping[str, Any]) -> Fault:
        """Have something go wrong. Raises Unprocessable, or NotFound when it is about a droplet that is not there."""
        if values.get("kind") == NETWORK:
            self._check_machine(values)
        fault = self.faults.add(values)
        if fault.kind == NETWORK:
            self._mute(fault)
        return fault

    def clear_faults(self, identifier: int | None = None) -> None:
        """Let one fault be over, or all; what they held up goes on. Raises NotFound."""
        gone = self.faults.clear(identifier)
        for fault in gone:
            if fault.kind == NETWORK:
                self._mute(fault, False)
        self.actions.release([fault.id for fault in gone])

    def _check_machine(self, values: Mapping[str, Any]) -> None:
        if isinstance(values.get("database_id"), str) and "droplet_id" not in values:
            self.databases.record(values["database_id"])
        else:
            self.droplets.record(values["droplet_id"] if type(values.get("droplet_id")) is int else 0)

    def _mute(self, fault: Fault, muted: bool = True) -> None:
        """A fault of the network is about a droplet, or about all machines of a cluster."""
        if not fault.database_id:
            self.machinery.network.mute(self.config.interfaces(fault.droplet_id), muted)
        elif cluster := self.store.database_clusters.first("uuid = ?", fault.database_id):
            for node in self.database_nodes.of(cluster.id):
                self.database_nodes.mute(node, muted)

    def _remove_strays(self) -> None:
        """What has no record, as a crash can leave it: machines, disks, layers; and what runs of those that are off."""
        known = {droplet.id: droplet for droplet in self.store.droplets.find()}
        found = self.machinery.machines.traces() | self.machinery.disks.known()
        self._each(found - known.keys() - self._database_machines(), self.lifecycle.dismantle)
        self.layers.sweep()
        attempt("the backups of databases", self.database_backups.sweep)
        running = self.machinery.machines.running()
        off = {id for id in (self.machinery.disks.mounted() | running) & known.keys() if known[id].status == OFF}
        # One that runs may have been started by what goes on in a moment.
        started = {id for id in off & running if self.actions.pending(DROPLET, id)}
        self._each(off - started, lambda id: self.lifecycle.halt(id, clean=False))

    def _resume(self) -> None:
        pending = self.store.actions.find("status = ?", IN_PROGRESS)
        for action in pending:
            self.actions.submit(action)
        busy = {action.resource_id for action in pending if action.resource_type == DROPLET}
        idle = {droplet.id for droplet in self.store.droplets.find("status = ?", ACTIVE)} - busy
        for droplet_id in sorted(idle - self.machinery.machines.running()):
            attempt(f"droplet {droplet_id}", partial(self._boot_again, droplet_id))
        attempt("the databases", self.database_jobs.revive)

    def _boot_again(self, droplet_id: int) -> None:
        self.actions.submit(self.droplets.boot_again(droplet_id))

    def _database_machines(self) -> set[int]:
        return {number(node.id) for node in self.store.database_nodes.find()}

    def _watch(self) -> None:
        """Notice machines that power themselves off, and start those of databases again."""
        while not self.actions.stopping.wait(WATCH_SECONDS):
            attempt("watching the machines", self._look)
            attempt("watching the databases", self.database_jobs.revive)
            attempt("watching the backups", self.database_backups.begin_due)
            attempt("watching the trusted sources", self.trusted.refresh)

    def _survey(self) -> None:
        """Follow the host as it goes from one network to another."""
        while not self.actions.stopping.wait(SURVEY_SECONDS):
            attempt("looking at the networks of this machine", self.machinery.network.refresh)

    def _look(self) -> None:
        running = self.machinery.machines.running()
        for droplet_id in running:
            attempt(f"the console of droplet {droplet_id}", partial(self.machinery.machines.trim_console, droplet_id))
            attempt(f"the memory of droplet {droplet_id}", partial(self.machinery.machines.tell_memory, droplet_id))
        for droplet in self.store.droplets.find("status = ?", ACTIVE):
            if droplet.id not in running and not self.actions.pending(DROPLET, droplet.id):
                attempt(f"droplet {droplet.id}", partial(self.lifecycle.notice_off, droplet.id))

    def _guard_room(self) -> None:
        """See to it that no droplet takes the last of this machine's disk."""
        while not self.actions.stopping.wait(GUARD_SECONDS):
            attempt("guarding the disk of this machine", self.machinery.disks.guard)

    @staticmethod
    def _each(ids: Iterable[int], work: Callable[[int], None]) -> None:
        """Do the work for many droplets at once; one that fails does not keep the others from it."""

        with ThreadPoolExecutor(STOPPING_AT_ONCE) as pool:
            list(pool.map(lambda id: attempt(f"droplet {id}", partial(work, id)), ids))
