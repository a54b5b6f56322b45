"""What the command line says: answers on standard output, everything else on standard error."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, the cursor
    r"|\x1b\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)"  # OSC: titles, links
)
UNITS = ("B", "kB", "MB", "GB", "TB")


def plain(text: str) -> str:
    """The text without what would move a terminal's cursor, or worse: a droplet may have said some of it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def forgive() -> None:
    """Write a question mark for what a terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def harmless(line: str) -> str:
    """A line that a droplet printed, without the sequences that colour it, move the cursor or set a title.

    Colours go too: text in the colour of its background would hide what is printed.
    """
    return _SEQUENCE.sub("", line.rstrip("\r\n")).expandtabs()


def show(line: str) -> None:
    """A line of the answer."""
    sys.stdout.write(f"{plain(line)}\n")


def tell(line: str) -> None:
    """A line for whoever watches."""
    sys.stderr.write(f"{plain(line)}\n")
    sys.stderr.flush()


def complain(sentence: str, hint: str = "") -> None:
    """What went wrong in one sentence, and below it what would help."""
    tell(f"✗ {sentence}")
    for line in hint.splitlines():
        tell(f"  {line}")


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a table as wide as its contents; no lines without rows."""
    if not rows:
        return
    cells = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def size(count: int) -> str:
    """A number of bytes for people, in powers of 1000: 12.3 MB."""
    number, unit = float(count), 0
    while number >= 999.5 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 or number >= 99.5 else f"{number:.1f} {UNITS[unit]}"
