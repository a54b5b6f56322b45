"""Text of others on its way to a person: nothing in it can steer a terminal or change the order of its letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but tab and newline
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or turning order
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # what no encoding can write, and invisible tags
)


_CALLED = ["./invoke"]
"""What the program is called by, in whose stead every text says `./invoke`."""


def call_it(name: str) -> None:
    """Have all that people are told call the program by this name."""
    _CALLED[0] = name


def as_called(text: str) -> str:
    """The text with the program's name as it was called."""
    return text.replace("./invoke", _CALLED[0])


def visible(text: str) -> str:
    r"""The text with each control character and each invisible one spelt out, as in `\x1b`; tabs and newlines stay."""
    return _UNSEEN.sub(_spelt, as_called(text).replace("\r\n", "\n"))


def line(text: str) -> str:
    r"""The same as one line: newlines and tabs are spelt out too, as `\n` and `\t`."""
    return visible(text).replace("\n", r"\n").replace("\t", r"\t")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns; what is in a cell stays in its line."""
    rows = [[line(text) for text in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def dollars(amount: float) -> str:
    """A price as it is written."""
    return f"${amount:,.2f}"


def _spelt(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
