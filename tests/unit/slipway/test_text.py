"""Text of others shows what is in it and steers nothing."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest

from slipway.progress import Progress
from slipway.text import line, visible

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harmful(character: str) -> bool:
    """Whether a terminal would obey a character instead of showing it, or nothing could write it."""
    category = unicodedata.category(character)
    return category in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(character) in TURNING


def test_no_character_of_all_that_there_are_steers_a_terminal() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert {each for each in visible(everything) if harmful(each)} == {"\n", "\t"}
    assert not any(map(harmful, line(everything)))
    visible(everything).encode()


def test_what_was_there_can_still_be_told() -> None:
    assert visible("a\x1b[31mred\x07\u202eb\r\nc\td") == "a\\x1b[31mred\\x07\\u202eb\nc\td"
    assert line("one\n  ✓ two") == "one\\n  ✓ two"
    assert visible("ünïcode · ✓ 漢字 🚀 – ok") == "ünïcode · ✓ 漢字 🚀 – ok"


def test_progress_shows_the_words_of_tools_without_their_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    progress = Progress()
    progress.warn("\x1b]0;title\x07 careful")
    progress.detail("\x1b[2J gone\n  ✓ deploy v2 · 1 s")
    assert said.getvalue().count("\n") == 2, "nobody forges a line"
    assert "\x1b" not in said.getvalue() and "\\x1b]0;title\\x07 careful" in said.getvalue()
