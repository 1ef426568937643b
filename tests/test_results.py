"""What came of studies: their state, their words, and what the process says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.choose import Choice
from edge.errors import ReadError
from edge.findings import State
from edge.options import Options
from edge.reasons import (
    DAMAGED,
    ENGINE_RUN,
    LOCALISER,
    NO_PIXELS,
    NOT_AN_IMAGE,
    SAME_IMAGE_TWICE,
    TWO_PATIENTS,
    Reason,
)
from edge.results import Asked, Tally, not_read, studies_in, study_report
from edge.scan import Found, LeftOut, StudyIndex
from edge.wanted import Wanted
from edge.write import Outcome
from edge.write.report import StudyReport
from tests.write.outcomes import (
    SERIES,
    asked_of,
    classified,
    failed,
    not_decoded,
    outcome,
    pack_of,
    picture_scan,
    refusal,
    score,
    segmented,
)
from tests.write.planted import translation

SCAN = picture_scan(np.arange(64, dtype=np.uint8).reshape(8, 8))
FINDING = outcome(SCAN, classified(SCAN, score("Pneumonia", 0.9, urgency="urgent")))
NOTHING = outcome(SCAN, classified(SCAN, score("Pneumonia", 0.1), score("Normal", 0.9, threshold=None, positive=True)))
UNSURE = outcome(SCAN, classified(SCAN, replace(score("Pneumonia", 0.4), zone=(0.3, 0.6), uncertain=True)))
REFUSED = outcome(SCAN, refusal())
UNREAD = failed()
MADE = outcome(SCAN, translation(SCAN.grid, SCAN.voxels))


def without(reason: Reason) -> Outcome:
    """The outcome of what failed for this reason."""
    return not_read(LeftOut(paths=("a.dcm",), reason=reason, detail="Found nothing."), asked_of(), SERIES)


def report(*outcomes: Outcome, left_out: Sequence[LeftOut] = (), choice: Choice | None = None) -> StudyReport:
    asked = asked_of()
    study = StudyIndex(key=asked.study, series=(), left_out=tuple(left_out))
    return study_report(study, choice or Choice(pack=asked.pack), [item.result for item in outcomes], asked, {})


# The exit code -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("studies", "code"),
    [
        ([], 0),
        ([[FINDING]], 0),
        ([[NOTHING]], 0),
        ([[FINDING], [NOTHING]], 0),
        ([[UNSURE]], 0),
        ([[UNSURE], [REFUSED]], 7),
        ([[UNREAD]], 3),
        ([[UNREAD], [UNREAD]], 3),
        ([[without(ENGINE_RUN)]], 5),
        ([[UNREAD], [FINDING]], 6),
        ([[UNREAD, NOTHING]], 6),
        ([[UNREAD], [REFUSED]], 6),
        ([[REFUSED]], 7),
        ([[not_decoded()], [REFUSED]], 7),
        ([[REFUSED], [NOTHING]], 7),
        ([[without(TWO_PATIENTS)]], 7),
        ([[]], 7),
        ([[MADE]], 0),
        ([[MADE], [REFUSED]], 7),
        ([[MADE], [UNREAD]], 6),
    ],
)
def test_the_process_says_what_came_of_it(studies: list[list[Outcome]], code: int) -> None:
    tally = Tally()
    for outcomes in studies:
        tally.add(report(*outcomes))
    assert tally.exit_code == code


def test_the_last_words_count_every_study_and_those_that_were_not_reached() -> None:
    tally = Tally()
    for outcomes in ([FINDING], [NOTHING], [NOTHING], [UNREAD]):
        tally.add(report(*outcomes))
    assert tally.words(6) == "6 studies: 1 finding, 2 no finding, 0 not analysed, 1 failed, 2 not reached."
    assert tally.words(4) == "4 studies: 1 finding, 2 no finding, 0 not analysed, 1 failed."


def test_what_was_made_is_counted_apart_and_not_as_no_finding() -> None:
    tally = Tally()
    for outcomes in ([NOTHING], [MADE], [MADE]):
        tally.add(report(*outcomes))
    said = "3 studies: 0 finding, 1 no finding, 2 done (nothing was looked for), 0 not analysed, 0 failed."
    assert tally.words(3) == said


# The state of a study ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([FINDING, UNREAD, REFUSED, NOTHING], "finding"),
        ([FINDING, UNSURE], "finding"),
        ([UNSURE, UNREAD, REFUSED, NOTHING, MADE], "uncertain"),
        ([UNREAD, REFUSED, NOTHING], "failed"),
        ([REFUSED, NOTHING], "not-analysed"),
        ([NOTHING, NOTHING], "no-finding"),
        ([MADE, FINDING], "finding"),
        ([MADE, REFUSED], "not-analysed"),
        ([MADE, MADE], "done"),
        ([], "not-analysed"),
    ],
)
def test_no_finding_is_said_only_where_everything_was_examined(outcomes: list[Outcome], state: State) -> None:
    assert report(*outcomes).state == state
    assert report(*outcomes[::-1]).state == state


def test_the_summary_of_a_study_is_that_of_its_gravest_result() -> None:
    assert report(NOTHING, FINDING).summary == "Finding: Pneumonia (urgent). (1 more results.)"
    assert report(NOTHING).summary == "No finding. Looked for: Pneumonia."
    assert report(REFUSED).summary.startswith("Not analysed. C702: The scan was made")
    assert report(UNREAD).summary == "Failed. R302: The file is damaged or was cut short."
    assert report().summary == "Nothing here can be analysed."
    assert report(MADE, NOTHING).summary == "No finding. Looked for: Pneumonia. (1 more results.)"
    assert report(MADE).summary == "Made a SYNTHETIC image: T2-weighted MR. Nothing was looked for."


def test_what_was_left_out_and_passed_over_is_named_and_what_failed_is_a_result() -> None:
    gone = LeftOut(paths=("broken.dcm",), reason=DAMAGED)
    scout = LeftOut(paths=("scout.dcm",), reason=LOCALISER)
    other = LeftOut(paths=("hand.dcm",), reason=NO_PIXELS)
    choice = Choice(pack=pack_of(), passed_over=(other,))
    said = report(FINDING, left_out=[gone, scout], choice=choice)
    assert [item.paths[0] for item in said.left_out] == ["scout.dcm", "hand.dcm"]


# Results -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [FINDING, UNSURE, NOTHING, MADE, REFUSED, UNREAD, not_decoded(), without(TWO_PATIENTS)])
def test_each_part_of_a_result_is_filled_exactly_where_its_state_says(of: Outcome) -> None:
    result = of.result
    seen = result.state in ("finding", "uncertain", "no-finding", "done")
    assert (result.findings is not None) == (result.engine is not None) == seen
    assert bool(result.refusals) == (result.state == "not-analysed")
    assert (result.failure is not None) == (result.state == "failed")


def test_a_scan_that_cannot_be_trusted_is_refused_and_one_that_cannot_be_read_failed() -> None:
    assert without(TWO_PATIENTS).result.state == "not-analysed"
    assert without(DAMAGED).result.state == "failed"
    assert without(ENGINE_RUN).result.state == "failed"


def test_the_report_of_a_segmentation_names_its_regions() -> None:
    masks = np.zeros((2, 8, 8), np.bool_)
    masks[1, 2, 3] = True
    result = outcome(SCAN, segmented(SCAN, masks)).result
    assert result.summary == "Finding: Region 2 (urgent)."
    assert result.findings is not None
    assert result.findings.kind == "segmentation"


def test_the_labels_that_have_a_map_are_named() -> None:
    found = classified(SCAN, score("Mass", 0.9), score("Edema", 0.8), mapped=["edema"])
    reported = outcome(SCAN, found).result.findings
    assert reported is not None
    assert reported.kind == "classification"
    assert reported.mapped == ("edema",)


# What was found ------------------------------------------------------------------------------------------


def out(path: str, reason: Reason) -> LeftOut:
    return LeftOut(paths=(path,), reason=reason, detail="Found nothing.")


STUDY = StudyIndex(key="k", series=(SERIES,))


def test_a_file_that_should_have_been_a_study_is_a_study_of_its_own() -> None:
    found = Found(studies=(STUDY,), left_out=(out("broken.dcm", DAMAGED), out("notes.txt", NOT_AN_IMAGE)))
    known, alone = studies_in(found)
    assert known is STUDY
    assert alone.series == ()
    assert [item.paths for item in alone.left_out] == [("broken.dcm",)]


def test_unreadable_files_never_share_a_folder() -> None:
    found = Found(studies=(), left_out=(out("one.dcm", DAMAGED), out("two.dcm", DAMAGED)))
    one, two = studies_in(found)
    assert one.key != two.key
    assert studies_in(found)[0].key == one.key


def test_harmless_files_beside_a_study_change_nothing() -> None:
    assert studies_in(Found(studies=(STUDY,), left_out=(out("notes.txt", NOT_AN_IMAGE),))) == (STUDY,)


@pytest.mark.parametrize("reason", [NOT_AN_IMAGE, NO_PIXELS, LOCALISER, SAME_IMAGE_TWICE])
def test_where_there_is_nothing_to_examine_the_first_file_says_why(reason: Reason) -> None:
    found = Found(studies=(), left_out=(out("a", reason), out("b", NOT_AN_IMAGE)))
    with pytest.raises(ReadError, match=r"Reading a: Found nothing\. 1 more files") as caught:
        studies_in(found)
    assert caught.value.reason is reason


def test_an_empty_folder_is_named() -> None:
    with pytest.raises(ReadError) as caught:
        studies_in(Found(studies=()))
    assert caught.value.reason.code == "R300"


# The request ---------------------------------------------------------------------------------------------


def test_a_request_hashes_every_file_and_leaves_to_the_reader_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    study = StudyIndex(
        key="key",
        series=(replace(SERIES, paths=(str(tmp_path / "a"),)),),
        left_out=(out(str(tmp_path / "gone"), DAMAGED), out(str(tmp_path), DAMAGED)),
    )
    asked = Asked.of(study, pack_of(), Options())
    assert asked.sources[str(tmp_path / "a")] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert asked.sources[str(tmp_path / "gone")] == ""
    assert asked.sources[str(tmp_path)] == ""


def test_the_folder_of_a_study_is_named_after_its_key_and_pack() -> None:
    assert asked_of().folder.startswith("0123456789abcdef-tiny-")
    assert replace(asked_of(), pack=None).folder.startswith("0123456789abcdef-no-pack-")


def test_another_request_gets_another_folder_and_another_path_does_not() -> None:
    asked = asked_of()
    assert asked_of(precision="int8").folder != asked.folder
    assert asked_of(confirmed={"view": "AP"}).folder != asked.folder
    assert asked_of(wanted=Wanted(language="fr")).folder != asked.folder
    assert asked_of(wanted=Wanted()).folder == asked.folder
    assert replace(asked, sources={"a": "other contents"}).folder != asked.folder
    moved = {f"/elsewhere/{path}": digest for path, digest in asked.sources.items()}
    assert replace(asked, sources=moved).folder == asked.folder


def test_the_order_of_files_and_confirmations_does_not_change_a_request() -> None:
    one = asked_of(sources={"a": "1", "b": "2"}, confirmed={"view": "AP", "modality": "DX"})
    other = asked_of(sources={"b": "2", "a": "1"}, confirmed={"modality": "DX", "view": "AP"})
    assert one.sha256 == other.sha256
