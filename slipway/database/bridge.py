"""The way to a database: through the live droplet, which is what the cluster trusts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import postgres, ssh
from slipway.tools.digitalocean import API, Cluster, Droplet


@dataclass(frozen=True)
class Bridge:
    """A connection to the droplet of a release, through which clusters in its network can be reached."""

    client: ssh.Client
    droplet: Droplet
    release: str

    @contextmanager
    def reach(self, api: API, cluster: Cluster, database: str) -> Iterator[postgres.Database]:
        """A database of a cluster, at a port of this machine."""
        with tempfile.TemporaryDirectory(prefix="slipway-ca-") as folder:
            ca = Path(folder) / "ca.pem"
            ca.write_text(api.database_ca(cluster.id))
            with ssh.tunnel(self.client, cluster.private_host, cluster.port) as port:
                yield postgres.Database(cluster.private_host, port, cluster.user, cluster.password, database, ca)


def cluster(session: Session) -> Cluster:
    """The environment's cluster; raises PipelineError when there is none."""
    found = session.api.cluster(session.settings.cluster, session.settings.tag)
    if found is None:
        raise PipelineError(
            f"There is no database cluster {session.settings.cluster}.",
            "./invoke deploy makes the one of slipway.toml.",
        )
    return found


def version(cluster: Cluster) -> int:
    """The server's major version."""
    return int(cluster.version.split(".")[0])


@contextmanager
def through_live(session: Session) -> Iterator[Bridge]:
    """A connection to the live droplet, whose name says which release it is of; needs no state of Terraform's.

    Raises PipelineError when none is live, or when it is not the one that it should be.
    """
    droplet = session.api.live_droplet(session.settings.tag)
    if droplet is None:
        raise PipelineError("No droplet is live, and the database is reached through that alone.", "./invoke status")
    release = session.settings.names.release(droplet.name)
    with ssh.connect(droplet.address, session.key.identity, session.key.host_key(release).public) as client:
        yield Bridge(client, droplet, release)
