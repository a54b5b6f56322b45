"""What a verification that failed is said to have failed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import verify


def test_the_tests_that_failed_are_named_as_sentences(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    failed = '<testcase name="test_it_is_ready"><failure/></testcase>'
    report.write_text(f'<testsuites><testsuite><testcase name="test_other"/>{failed}</testsuite></testsuites>')
    assert verify._failures(report) == "it is ready"


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsu"])
def test_a_report_that_a_full_disk_cut_short_is_no_traceback(tmp_path: Path, text: str | None) -> None:
    report = tmp_path / "report.xml"
    if text is not None:
        report.write_text(text)
    assert verify._failures(report) == "the tests did not run, or could not be written down"
