"""Every view of one result: what does not fit is noted, what failed fails the result, the rest is left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from edge.errors import OutputError, ReadError
from edge.objects.unfit import UnfitError
from edge.reasons import DAMAGED, DISK_FULL, OBJECT_NOT_MADE, VIEW_NOT_INSTALLED, WRONG_MODALITY, WRONG_PLACE
from edge.site.named import SiteReport
from edge.table import Entry
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import WRITERS, Outcome
from edge.write.made import check_installed, made
from tests.write.outcomes import classified, failed, outcome, refusal, score


def plain(*_: object) -> Mapping[str, bytes]:
    return {"plain.txt": b"plain", "more.txt": b"more"}


def unfit(*_: object) -> Mapping[str, bytes]:
    raise UnfitError("it has no corners")


def misplaced(*_: object) -> Mapping[str, bytes]:
    raise OutputError("It lies elsewhere.", WRONG_PLACE)


def not_made(*_: object) -> Mapping[str, bytes]:
    raise OutputError("It was killed.", OBJECT_NOT_MADE)


def changed(*_: object) -> Mapping[str, bytes]:
    raise ReadError("It changed.", DAMAGED)


def full(*_: object) -> Mapping[str, bytes]:
    raise OutputError("No room.", DISK_FULL)


def told(result: object, scan: object, findings: object, *_: object) -> Mapping[str, bytes]:
    return {"told.txt": f"{result.state} {scan is not None} {findings is not None}".encode()}  # type: ignore[attr-defined]


TABLE = {
    name: Entry(f"tests.write.test_made:{name}")
    for name in ("plain", "unfit", "misplaced", "not_made", "changed", "full")
} | {"overlay": Entry("tests.write.test_made:told"), "fhir": Entry("edge.write.fhir:fhir")}

LOST_SEG = {"seg": TABLE["misplaced"]}


def seen() -> Outcome:
    scan = phantom_scan((1, 8, 8))
    return outcome(scan, classified(scan, score("Spot", 0.9)))


def written(*views: str) -> tuple[Outcome, dict[str, bytes], list[str]]:
    """The outcome, its files, and the view of each."""
    one = seen()
    result, files = made(one.result, one.scan, one.findings, Wanted(views=views), TABLE)
    return Outcome(result=result), {name: data for _, name, data in files}, [view for view, _, _ in files]


def test_each_file_is_told_with_its_view() -> None:
    one, files, views = written("overlay", "plain")
    assert (list(files), views) == (["told.txt", "plain.txt", "more.txt"], ["overlay", "plain", "plain"])
    assert one.result == seen().result


def test_a_view_that_cannot_show_it_is_noted_and_the_others_are_written() -> None:
    one, files, _ = written("unfit", "plain")
    assert one.result.notes == ("unfit not written: it has no corners",)
    assert (one.result.state, list(files)) == ("finding", ["plain.txt", "more.txt"])


@pytest.mark.parametrize(("view", "code"), [("misplaced", "W803"), ("not_made", "W804"), ("changed", DAMAGED.code)])
def test_a_view_that_failed_fails_the_result_whose_picture_says_so_alone(view: str, code: str) -> None:
    one, files, _ = written("overlay", "plain", view)
    result = one.result
    assert result.failure is not None
    assert (result.state, result.failure.code) == ("failed", code)
    assert (result.findings, result.engine, result.refusals) == (None, None, ())
    assert result.summary.startswith(f"Failed. {code}: ")
    assert files == {"told.txt": b"failed True False"}


@pytest.mark.parametrize("failing", ["sc", "sr", "pdf"])
def test_an_archive_is_told_of_a_failed_result_by_the_objects_that_can_be_made(failing: str) -> None:
    table = dict.fromkeys(("pdf", "sc", "sr"), TABLE["overlay"]) | {failing: TABLE["not_made"]}
    one = seen()
    result, files = made(one.result, one.scan, one.findings, Wanted(views=("seg", "sr", "sc", "pdf")), LOST_SEG | table)
    assert result.failure is not None
    assert (result.failure.code, result.notes) == ("W803", (f"{failing} not written: It was killed.",))
    assert [view for view, _, _ in files] == [view for view in ("sr", "sc", "pdf") if view != failing]
    assert {data for _, _, data in files} == {b"failed True False"}


def test_a_result_that_had_failed_keeps_why() -> None:
    result, files = made(failed().result, None, None, Wanted(views=("overlay", "not_made")), TABLE)
    assert result.failure == failed().result.failure
    assert result.notes == ("not_made not written: It was killed.",)
    assert [data for _, _, data in files] == [b"failed False False"]


def test_what_was_refused_keeps_why_in_its_notes() -> None:
    one = outcome(phantom_scan((1, 8, 8)), refusal(WRONG_MODALITY))
    result, _ = made(one.result, one.scan, None, Wanted(views=("not_made",)), TABLE)
    assert result.failure is not None
    assert (result.state, result.failure.code, result.refusals) == ("failed", "W804", ())
    assert result.notes == (f"{WRONG_MODALITY.code}: {WRONG_MODALITY.words} {WRONG_MODALITY.action}",)


def test_a_program_is_told_of_a_failed_result_and_never_of_what_was_found() -> None:
    _, files, _ = written("fhir", "misplaced")
    report, absent, *_ = (entry["resource"] for entry in json.loads(files["fhir.json"])["entry"])
    assert (report["status"], absent["status"]) == ("cancelled", "cancelled")
    assert WRONG_PLACE.code in absent["note"][0]["text"]
    assert "interpretation" not in absent


def test_of_a_failed_result_no_threshold_decided() -> None:
    one = seen()
    sited = replace(
        one.result,
        site=SiteReport(
            file_sha256="1" * 64, table_sha256="2" * 64, decided_utc="2026-01-02T03:04:05+00:00", labels={}
        ),
    )
    result, _ = made(sited, one.scan, one.findings, Wanted(views=("misplaced",)), TABLE)
    assert (result.state, result.site) == ("failed", None)


def test_a_failed_result_has_no_picture_that_was_not_asked_for() -> None:
    assert written("plain", "misplaced")[1] == {}


def test_a_full_disk_is_no_failure_of_one_result() -> None:
    with pytest.raises(OutputError, match="No room"):
        written("full")


def test_what_is_not_installed_is_said_with_what_brings_it() -> None:
    table = {"sc": Entry("edge:none", needs=("json", "no_such_package"), extra="objects"), "plain": TABLE["plain"]}
    check_installed(["plain"], table)
    with pytest.raises(
        OutputError, match=r"Writing sc: .* no_such_package is not installed\. It comes with edgerun\[objects\]"
    ) as caught:
        check_installed(["plain", "sc"], table)
    assert caught.value.reason is VIEW_NOT_INSTALLED


def test_a_page_in_an_object_needs_what_both_need() -> None:
    lacking = {"pdf": replace(WRITERS["pdf"], needs=("no_such_package",))}
    with pytest.raises(OutputError, match=r"edgerun\[objects,paper\]"):
        check_installed(["pdf"], lacking)
