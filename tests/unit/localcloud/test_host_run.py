"""What flows through commands of the host into files and out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.host.errors import HostError
from localcloud.host.run import pour


def test_bytes_flow_from_file_to_file_and_stay_private(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 10)
    pour(["cat"], source=source, target=target, timeout=10)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["sh", "-c", "echo why >&2; exit 3"], r"sh failed \(3\): why"),
        (["sleep", "5"], "did not end within 0.1 seconds"),
        (["no-such-command"], "The command no-such-command is missing"),
    ],
)
def test_what_does_not_flow_says_why(tmp_path: Path, argv: list[str], said: str) -> None:
    with pytest.raises(HostError, match=said):
        pour(argv, source=None, target=tmp_path / "target", timeout=0.1 if argv[0] == "sleep" else 10)
