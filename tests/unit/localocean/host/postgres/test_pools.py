"""The files of PgBouncer."""

from __future__ import annotations

import pytest

from localocean.host.errors import HostError
from localocean.host.postgres.pools import Pool, access, configuration


def test_names_in_pgbouncer_s_files_cannot_say_more_than_names() -> None:
    pools = [Pool("a", "d'b", "session", 1, 'u" all')]
    assert "a = host=" in configuration(pools)
    assert "dbname='d''b'" in configuration(pools)
    assert 'hostssl a "u"" all" 0.0.0.0/0 scram-sha-256' in access(pools)
    with pytest.raises(HostError, match="a = x"):
        configuration([Pool("a = x", "db", "session", 1)])
