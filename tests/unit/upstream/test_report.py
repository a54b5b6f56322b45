"""What the provider's tests say is read rightly; the report leaves alone what people wrote, and the list only grows."""

from __future__ import annotations

from pathlib import Path

from tests.upstream import report
from tests.upstream.tests import FAILED, PASSED, UNSUPPORTED, Outcome, area, outcomes

SAID = """\
=== RUN   TestAccDigitalOceanTag_Basic
=== PAUSE TestAccDigitalOceanTag_Basic
=== RUN   TestAccDigitalOceanVPC_Basic
=== CONT  TestAccDigitalOceanTag_Basic
=== CONT  TestAccDigitalOceanVPC_Basic
=== NAME  TestAccDigitalOceanTag_Basic
    tag_test.go:1: Step 1/1 error: Error running apply: exit status 1
        
        Error: Error creating Domain: 501 (request "1") The local cloud does not implement POST /v2/domains.
        
=== NAME  TestAccDigitalOceanProject_Basic
    project_test.go:1: Step 1/2 error: Check failed: Check 2/5 error: expected "15", got "7"
--- PASS: TestAccDigitalOceanVPC_Basic (0.10s)
--- FAIL: TestAccDigitalOceanTag_Basic (4.48s)
--- FAIL: TestAccDigitalOceanProject_Basic (1.00s)
FAIL
"""  # noqa: W293


def test_each_test_has_its_own_result_and_words() -> None:
    found = {outcome.name: outcome for outcome in outcomes(SAID.splitlines())}
    assert found["TestAccDigitalOceanVPC_Basic"].result == PASSED
    tag = found["TestAccDigitalOceanTag_Basic"]
    assert (tag.result, tag.said) == (UNSUPPORTED, "The local cloud does not implement POST /v2/domains.")
    project = found["TestAccDigitalOceanProject_Basic"]
    assert project.result == FAILED and 'expected "15"' in project.said


def test_areas_are_told_by_the_resource_in_the_name() -> None:
    assert area("TestAccDataSourceDigitalOceanFloatingIp_Basic") == "floating IPs"
    assert area("TestAccDigitalOceanFloatingIPAssignment_createBeforeDestroy") == "floating IPs"
    assert area("TestAccDigitalOceanCustomImageFull") == "images"
    assert area("TestAccDigitalOceanDropletSnapshot_Basic") == "snapshots"
    assert area("TestAccDigitalOceanProjectResources_Basic") == "projects"
    assert area("TestAccDataSourceDigitalOceanDatabaseCA") == "databases"
    for other in ("TestAccDigitalOceanVolume_Basic", "TestAccDigitalOceanLoadbalancer_Basic"):
        assert area(other) is None


def test_the_report_replaces_only_its_own_part(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nMine.\n")
    passed = [Outcome("TestAccDigitalOceanTag_Basic", PASSED)]
    report.write(page, passed, {}, ["fact"])
    page.write_text(page.read_text() + "\nMine too.\n")
    report.write(page, [Outcome("TestAccDigitalOceanTag_Basic", FAILED, "a|b")], {}, ["fact"])
    text = page.read_text()
    assert text.startswith("# Title\n\nMine.\n") and text.endswith("\nMine too.\n")
    assert text.count(report.BEGIN) == text.count(report.END) == 1
    assert "| TestAccDigitalOceanTag_Basic | ✗ failed | a¦b |" in text and "✓" not in text


def test_nothing_is_taken_from_the_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("# remark\nTestA # why\n")
    assert report.grow_list(path, [Outcome("TestA", FAILED), Outcome("TestB", PASSED)]) == ["TestB"]
    assert report.read_list(path) == ["TestA", "TestB"]
