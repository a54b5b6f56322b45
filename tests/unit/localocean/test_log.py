"""The server's log: what others put into it stays within a line, and all of it within two files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging, sys
from pathlib import Path
from localocean import log
log.BYTES = 1000
log.begin(Path(sys.argv[1]))
for number in range(100):
    logging.info("line %d", number)
logging.error("one\\n2 \\x1b[31m \\u2028" + "x" * 9999)
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("failed")
print("said otherwise", file=sys.stderr)
"""


def test_it_begins_anew_when_it_is_large(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    with path.open("ab") as stream:
        subprocess.run([sys.executable, "-c", PROGRAM, str(path)], stderr=stream, check=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["server.log", "server.log.1"]
    old, new = (tmp_path / "server.log.1").read_text(), path.read_text()
    assert max(len(old), len(new)) < 4000
    assert path.stat().st_mode & 0o777 == 0o600
    (line,) = [line for line in (old + new).split("\n") if "one" in line]
    assert "one\\n2 \\x1b[31m \\u2028xxx" in line and len(line) < 2100
    assert "ZeroDivisionError: division by zero\n" in new and new.endswith("said otherwise\n")


def test_what_is_not_its_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    (tmp_path / "server.log").touch()
    with path.open("ab") as stream:
        subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "server.log")], stderr=stream, check=True)
    assert "line 0\n" in path.read_text() and (tmp_path / "server.log").read_text() == ""
