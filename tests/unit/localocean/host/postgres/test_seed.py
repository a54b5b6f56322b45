"""What a database machine is set up with."""

from __future__ import annotations

import pytest

from localocean.host.postgres.seed import connections


@pytest.mark.parametrize(("memory", "expected"), [(1024, 25), (2048, 50), (4096, 100), (65536, 1000)])
def test_connections_follow_memory(memory: int, expected: int) -> None:
    assert connections(memory) == expected
