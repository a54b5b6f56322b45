"""What is shown on a terminal: for people, and steered by nobody."""

from __future__ import annotations

import sys

import pytest

from localocean.terminal import harmless, plain, size, table


@pytest.mark.parametrize(
    "count, text",
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_400, "99.4 kB"), (123e6, "123 MB"), (2e15, "2000 TB")],
)
def test_a_size_is_for_people(count: float, text: str) -> None:
    assert size(int(count)) == text


def test_a_table_is_as_wide_as_its_contents() -> None:
    assert list(table(("ID", "NAME"), [(1, "a"), (22, "longer")])) == ["ID  NAME", "1   a", "22  longer"]
    assert list(table(("ID", "NAME"), [])) == []


def test_no_character_of_a_line_steers_a_terminal() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert plain(harmless(everything)).isprintable()
