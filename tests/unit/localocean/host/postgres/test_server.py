"""What is said to a database server."""

from __future__ import annotations

from localocean.host.postgres.server import quoted, text


def test_names_and_values_cannot_break_out_of_a_statement() -> None:
    assert quoted('a"; DROP') == '"a""; DROP"'
    assert text("a'; \\ DROP") == "E'a''; \\\\ DROP'"
