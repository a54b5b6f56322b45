"""Trusted sources: the firewall of a cluster, which follows droplets and tags as they come and go."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from localocean.config import Config
from localocean.engine.databases.numbers import number
from localocean.engine.droplets import TAGGED
from localocean.engine.errors import Unprocessable, Unsupported
from localocean.engine.tags import NAME as TAG_NAME
from localocean.network import Network
from localocean.network.databases import Entrance, Machine
from localocean.store.records import DatabaseNode, DatabaseRule, Droplet
from localocean.store.store import Store

ADDRESS, DROPLET_RULE, TAG_RULE = "ip_addr", "droplet", "tag"
ELSEWHERE = ("k8s", "app")
EVERYBODY = IPv4Network("0.0.0.0/0")
MOST = 100


class Trusted:
    """Who may reach which database. A cluster without rules is open to everybody, as at DigitalOcean."""

    def __init__(self, config: Config, store: Store, network: Network) -> None:
        self.config = config
        self.store = store
        self.network = network
        self._told: list[Entrance] | None = None

    def rules(self, cluster_id: int) -> list[DatabaseRule]:
        return self.store.database_rules.find("cluster = ?", cluster_id)

    def replace(self, cluster_id: int, wanted: Sequence[tuple[str, str]]) -> None:
        """Record these (type, value) pairs as all the rules; to be called in a transaction. Raises Unprocessable."""
        if len(wanted) > MOST:
            raise Unprocessable(f"A cluster can have {MOST} trusted sources at most.")
        pairs = list(dict.fromkeys(_checked(*pair) for pair in wanted))
        there = {(rule.type, rule.value): rule for rule in self.rules(cluster_id)}
        for rule in (rule for pair, rule in there.items() if pair not in pairs):
            self.store.database_rules.delete("id = ?", rule.id)
        for type, value in (pair for pair in pairs if pair not in there):
            self.store.database_rules.add(
                DatabaseRule(cluster=cluster_id, uuid=str(uuid.uuid4()), type=type, value=value)
            )

    def refresh(self) -> None:
        """Have the network agree with the records, which stay as they are meanwhile. Raises HostError."""
        with self.store.database.lock:
            wanted = self._entrances()
            if wanted != self._told:
                self.network.set_databases(wanted)
                self._told = wanted

    def _entrances(self) -> list[Entrance]:
        nodes = self.store.database_nodes.find()
        return [self._entrance(node, nodes) for node in nodes]

    def _entrance(self, node: DatabaseNode, nodes: Sequence[DatabaseNode]) -> Entrance:
        rules = self.rules(node.cluster)
        droplets = {droplet.id: droplet for rule in rules for droplet in self._droplets(rule)}
        same = [other for other in nodes if other.cluster == node.cluster and other.id != node.id]
        machines: list[Droplet | DatabaseNode] = [*same, *droplets.values()]
        networks = [IPv4Network(rule.value) for rule in rules if rule.type == ADDRESS]
        return Entrance(
            self._machine(node),
            tuple(self._machine(each) for each in machines),
            tuple(networks) if rules else (EVERYBODY,),
        )

    def _droplets(self, rule: DatabaseRule) -> list[Droplet]:
        if rule.type == DROPLET_RULE:
            return self.store.droplets.find("id = ?", int(rule.value))
        return self.store.droplets.find(TAGGED, rule.value) if rule.type == TAG_RULE else []

    def _machine(self, record: Droplet | DatabaseNode) -> Machine:
        _, interface = self.config.interfaces(number(record.id) if isinstance(record, DatabaseNode) else record.id)
        return Machine(IPv4Address(record.public_address), IPv4Address(record.private_address), interface)


def _checked(type: str, value: str) -> tuple[str, str]:
    """A rule as it is kept. Raises Unprocessable, and Unsupported for what the local cloud does not have."""
    if type in ELSEWHERE:
        raise Unsupported(f"The local cloud does not implement trusted sources of the type {type}.")
    if type == ADDRESS:
        try:
            return type, str(IPv4Network(value)).removesuffix("/32")
        except ValueError:
            raise Unprocessable(f"invalid firewall rule: {value!r} is no IPv4 address or range") from None
    if type == DROPLET_RULE and value.isdecimal() and len(value) < 19:
        return type, str(int(value))
    if type == TAG_RULE and TAG_NAME.fullmatch(value):
        return type, value
    raise Unprocessable(f"invalid firewall rule: type {type!r} with value {value!r}")
