"""Who may read the metrics of the account's clusters."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from localocean.engine.databases.nodes import Nodes
from localocean.engine.databases.readers import reader
from localocean.engine.errors import Unprocessable
from localocean.host.errors import HostError
from localocean.host.postgres.metrics import let_in
from localocean.store.records import DatabaseReader
from localocean.store.store import Store

USERNAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
PASSWORD = re.compile(r"[!-~]{1,72}")

log = logging.getLogger("localocean.databases")


class Metrics:
    """One user for all clusters, as at DigitalOcean."""

    def __init__(self, store: Store, nodes: Nodes) -> None:
        self.store = store
        self.nodes = nodes

    def credentials(self) -> DatabaseReader:
        return reader(self.store)

    def set_credentials(self, values: object) -> None:
        """Let another user read, at once; a machine that is off, when it starts. Raises Unprocessable."""
        found = values if isinstance(values, Mapping) else {}
        username, password = (str(found.get(f"basic_auth_{name}") or "") for name in ("username", "password"))
        if not USERNAME.fullmatch(username):
            raise Unprocessable("invalid basic_auth_username: 1 to 64 letters, digits and characters of _.@-")
        if not PASSWORD.fullmatch(password):
            raise Unprocessable("invalid basic_auth_password: 1 to 72 printable characters of ASCII")
        self.store.database_readers.update(self.credentials().id, username=username, password=password)
        for node in self.store.database_nodes.find():
            if self.nodes.is_running(node):
                try:
                    let_in(self.nodes.server(node), username, password)
                except HostError as error:
                    log.error("database machine %d: %s", node.id, error)
