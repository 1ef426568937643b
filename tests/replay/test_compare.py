"""What counts as the same answer: every byte by the same engine, decisions and scores by another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from edge.engines import EngineFacts
from edge.pack.manifest import Expected, Golden, Manifest
from edge.pack.store import find_pack
from edge.reasons import GOLDEN_NOT_RUN, UNKNOWN_AGE
from edge.replay.compare import answers_in, compare, tolerance_of
from edge.replay.words import told
from edge.site.named import SiteReport
from edge.write.report import ClassificationReport, FileReport, ResultReport, StudyReport, of_reason
from tests.write.test_report import OUTCOMES, report_of

OTHER = EngineFacts(name="other", version="9", provider="fake", precision="fp32", threads=1)


@pytest.fixture
def report() -> StudyReport:
    return report_of(OUTCOMES["finding"]())


@pytest.fixture
def manifest() -> Manifest:
    manifest = find_pack("chest-pneumonia").manifest
    (case, *_) = manifest.golden
    return replace(manifest, golden=(allowing(case, 0.01), allowing(case, 0.02)))


def allowing(case: Golden, tolerance: float) -> Golden:
    expect = {name: Expected(scores=one.scores, tolerance=tolerance) for name, one in case.expect.items()}
    return replace(case, expect=expect)


def with_result(report: StudyReport, change: Callable[[ResultReport], ResultReport]) -> StudyReport:
    return replace(report, results=tuple(change(result) for result in report.results))


def with_files(report: StudyReport, digests: Sequence[str]) -> StudyReport:
    files = tuple(FileReport(name=str(n), role="a", sha256=digest) for n, digest in enumerate(digests))
    return with_result(report, lambda result: replace(result, files=files))


def scored(report: StudyReport, more: float, **changes: object) -> StudyReport:
    """The report of another engine, whose scores are higher."""

    def change(result: ResultReport) -> ResultReport:
        found = result.findings
        assert isinstance(found, ClassificationReport)
        labels = tuple(replace(item, score=item.score + more, **changes) for item in found.labels)  # type: ignore[arg-type]
        return replace(result, engine=OTHER, findings=replace(found, labels=labels))

    return with_result(report, change)


def test_a_report_is_the_same_as_itself(report: StudyReport, manifest: Manifest) -> None:
    found = compare(report, report, manifest)
    assert found.same
    assert found.exact
    assert told(found)[-1].startswith("THE SAME: every value")


def test_times_places_and_hashes_of_the_request_do_not_count(report: StudyReport, manifest: Manifest) -> None:
    def moved(result: ResultReport) -> ResultReport:
        sources = tuple(replace(source, path=f"/elsewhere/{source.path}") for source in result.scan.sources)
        return replace(result, uid="2.25.1", scan=replace(result.scan, sources=sources))

    other = replace(with_result(report, moved), request_sha256="0" * 64, folder="other", study="other")
    assert compare(report, other, manifest).same


def test_another_byte_of_a_picture_counts(report: StudyReport, manifest: Manifest) -> None:
    before, after = (with_files(report, [digest]) for digest in ("1" * 64, "2" * 64))
    (difference,) = compare(before, after, manifest).differences
    assert difference.path == "$.results[0].files[0].sha256"


def test_the_smallest_change_of_a_score_counts_on_the_same_engine(report: StudyReport, manifest: Manifest) -> None:
    after = with_result(scored(report, 1e-9), lambda result: replace(result, engine=report.results[0].engine))
    found = compare(report, after, manifest)
    assert found.exact
    assert not found.same
    assert "score" in found.differences[0].path


def test_on_another_engine_scores_may_differ_by_what_the_pack_allows(report: StudyReport, manifest: Manifest) -> None:
    found = compare(report, scored(report, 0.015), manifest)
    assert found.same
    assert not found.exact
    assert found.tolerance == 0.02
    assert found.largest == pytest.approx(0.015)
    assert any("name was fake and is other" in words for words in found.why_not_exact)
    assert told(found)[-1] == "THE SAME decisions; scores differ by 0.015 at most, within the pack's tolerance of 0.02."


def test_on_another_engine_a_score_too_far_off_is_different(report: StudyReport, manifest: Manifest) -> None:
    found = compare(report, scored(report, 0.025), manifest)
    assert not found.same
    assert told(found)[-1].startswith("DIFFERENT")


@pytest.mark.parametrize("change", [{"positive": False}, {"urgency": "urgent"}, {"uncertain": True}])
def test_on_another_engine_a_changed_decision_is_different(
    change: dict[str, object], report: StudyReport, manifest: Manifest
) -> None:
    found = compare(report, scored(report, 0.0, **change), manifest)
    assert not found.same
    assert next(iter(change)) in found.differences[0].path


def test_a_refusal_is_another_decision_than_a_finding(report: StudyReport, manifest: Manifest) -> None:
    refused = replace(
        report.results[0], state="not-analysed", findings=None, engine=None, refusals=(of_reason(UNKNOWN_AGE),)
    )
    other = replace(report, state="not-analysed", results=(refused,), software={"edgerun": "99"})
    assert not compare(report, other, manifest).same


def test_without_known_answers_decisions_alone_are_compared(report: StudyReport, manifest: Manifest) -> None:
    found = compare(report, scored(report, 0.2), replace(manifest, golden=()))
    assert found.same
    assert found.tolerance is None
    assert told(found)[-1].endswith("The pack sets no tolerance.")


def test_other_software_is_named(report: StudyReport, manifest: Manifest) -> None:
    other = replace(report, software={**report.software, "edgerun": "99"})
    found = compare(report, other, manifest)
    assert not found.exact
    assert found.why_not_exact[0].endswith("and is 99")


def test_thresholds_of_a_site_that_are_gone_are_named(report: StudyReport, manifest: Manifest) -> None:
    site = SiteReport(file_sha256="ab" * 32, table_sha256="cd" * 32, decided_utc="2026-01-02T03:04:05Z", labels={})
    before = with_result(report, lambda result: replace(result, site=site))
    assert not compare(before, report, manifest).same
    named = compare(before, scored(report, 0.0), manifest).why_not_exact
    assert named[-1] == "the thresholds were this site's (file abababab) and are the pack's own"
    assert not any("threshold" in words for words in compare(before, scored(before, 0.0), manifest).why_not_exact)


@pytest.mark.parametrize("prepared_first", [False, True])
def test_a_computer_that_was_prepared_in_between_decides_alike(
    report: StudyReport, manifest: Manifest, *, prepared_first: bool
) -> None:
    said = of_reason(GOLDEN_NOT_RUN, "Engine fake.")
    unproven = with_result(report, lambda result: replace(result, warnings=(*result.warnings, said)))
    found = compare(*((report, unproven) if prepared_first else (unproven, report)), manifest)
    assert (found.exact, found.same) == (False, True)
    (why,) = found.why_not_exact
    then, now = ("had", "are not") if prepared_first else ("had not", "are")
    assert why == f"the model's known answers {then} been checked on the computer, and {now} now"
    assert compare(unproven, unproven, manifest).exact


def test_what_another_engine_is_not_compared_by_is_told(report: StudyReport, manifest: Manifest) -> None:
    assert "neither places and outlines nor the files" in told(compare(report, scored(report, 0.0), manifest))[0]


def test_the_tolerance_is_that_of_the_precision_that_ran(report: StudyReport, manifest: Manifest) -> None:
    assert tolerance_of(manifest, report) == 0.02
    assert tolerance_of(manifest, replace(report, results=())) is None


def test_many_differences_are_told_in_part(report: StudyReport, manifest: Manifest) -> None:
    found = compare(with_files(report, ["0" * 64] * 30), with_files(report, ["1" * 64] * 30), manifest)
    assert told(found)[-2] == "  and 10 more"


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_every_answer_lies_from_0_to_1(name: str) -> None:
    for result in report_of(OUTCOMES[name]()).results:
        if result.findings is not None:
            assert all(0.0 <= value <= 1.0 for value in answers_in(result.findings).values())
