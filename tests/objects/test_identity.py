"""The same job gives the same object, and another one another: nothing in it is chance or the clock's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.objects.contract import Make
from edge.objects.identity import LARGEST_NUMBER, NO_DATE, SERIES, digest_of, identity_of
from edge.scan import Scan
from tests.objects.cases import blob, complete, files_of, outlined, request_of, scan_of
from tests.read.dicom_files import canonical_grid, phantom, series
from tests.write.outcomes import asked_of

pytest.importorskip("highdicom")

SHAPE = (3, 4, 5)


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return scan_of(complete(series(phantom(SHAPE), canonical_grid(SHAPE))), tmp_path)


def asked(scan: Scan, view: str = "seg") -> tuple[Make, dict[str, NDArray[Any]]]:
    return request_of(view, scan, outlined(blob(SHAPE), scan.grid))


def header(**elements: Any) -> Dataset:
    """A source's header with these elements."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def test_the_same_segmentation_has_the_same_bytes(scan: Scan) -> None:
    findings = outlined(blob(SHAPE), scan.grid)
    assert files_of("seg", scan, findings) == files_of("seg", scan, findings)


def test_where_files_lie_changes_nothing(scan: Scan) -> None:
    request, arrays = asked(scan)
    elsewhere = tuple(replace(source, path=f"/mnt/{source.path}") for source in request.result.scan.sources)
    moved = replace(request, result=replace(request.result, scan=replace(request.result.scan, sources=elsewhere)))
    assert digest_of(moved, arrays) == digest_of(request, arrays)


def test_a_result_is_called_the_same_wherever_its_files_lie() -> None:
    sources = {"/one/a.dcm": "1" * 64, "/one/b.dcm": "2" * 64, "/one/bad.dcm": ""}
    moved = {path.replace("/one", "/other"): sha256 for path, sha256 in sources.items()}
    here = replace(asked_of(roles={"/one": "fixed"}), sources=sources)
    there = replace(asked_of(roles={"/other": "fixed"}), sources=moved)
    assert here.uid_of(["/one/a.dcm"]) != here.uid_of(["/one/b.dcm"])
    assert here.uid_of(["/one/bad.dcm"]) != here.uid_of(["/one/a.dcm"])
    readable, elsewhere = (
        replace(asked, sources={path: sha256 for path, sha256 in asked.sources.items() if sha256})
        for asked in (here, there)
    )
    assert readable.uid_of(["/one/a.dcm"]) == elsewhere.uid_of(["/other/a.dcm"])
    changed = replace(elsewhere, sources={**elsewhere.sources, "/other/b.dcm": "3" * 64})
    assert changed.uid_of(["/other/a.dcm"]) != readable.uid_of(["/one/a.dcm"])


def test_another_role_is_another_result() -> None:
    sources = {"/one/a.nii": "1" * 64, "/one/b.nii": "2" * 64}
    one, other = (
        replace(asked_of(roles={"/one/a.nii": role}), sources=sources).uid_of([*sources])
        for role in ("fixed", "moving")
    )
    assert one != other


CHANGES: dict[str, Callable[[Make], Make]] = {
    "view": lambda one: replace(one, view="sc"),
    "language": lambda one: replace(one, language="fr"),
    "pack": lambda one: replace(
        one,
        result=replace(one.result, pack=replace(one.result.pack, sha256="cd" * 32)),  # type: ignore[type-var]
    ),
    "source": lambda one: replace(
        one,
        result=replace(
            one.result,
            scan=replace(
                one.result.scan, sources=tuple(replace(each, sha256="9" * 64) for each in one.result.scan.sources)
            ),
        ),
    ),
    "summary": lambda one: replace(one, result=replace(one.result, summary="Something else.")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_request_is_another_object(what: str, scan: Scan) -> None:
    request, arrays = asked(scan)
    assert digest_of(CHANGES[what](request), arrays) != digest_of(request, arrays)


def test_one_voxel_more_is_another_object(scan: Scan) -> None:
    request, arrays = asked(scan)
    codes = arrays["codes"].copy()
    codes[1, 1, 1] ^= 1
    assert digest_of(request, {**arrays, "codes": codes}) != digest_of(request, arrays)


def test_each_role_has_a_uid_of_its_own_that_is_valid(scan: Scan) -> None:
    identity = identity_of(*asked(scan), [header()])
    uids = [
        identity.series_instance_uid,
        *(identity.sop_instance_uid(number) for number in (1, 2)),
        identity.uid("x", 1),
    ]
    assert len(set(uids)) == len(uids)
    for uid in uids:
        root, value = uid.rsplit(".", 1)
        assert root == "2.25"
        assert not value.startswith("0")
        assert 0 < int(value) < 1 << 128
        assert len(uid) <= 64


@pytest.mark.parametrize("view", SERIES)
def test_series_are_numbered_beside_that_of_the_source(view: str, scan: Scan) -> None:
    assert identity_of(*asked(scan, view), [header(SeriesNumber=7)]).series_number == 700 + SERIES[view]
    assert identity_of(*asked(scan, view), [header()]).series_number == SERIES[view]
    large = identity_of(*asked(scan, view), [header(SeriesNumber=2**31 - 2)]).series_number
    assert 0 < large <= LARGEST_NUMBER


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"ContentDate": "20260102", "ContentTime": "030405.6", "StudyDate": "20250101"}, ("20260102", "030405.6")),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "0304"}, ("20260102", "0304")),
        ({"StudyDate": "20260102"}, ("20260102", "000000")),
        ({"ContentDate": "", "SeriesDate": "20260102", "SeriesTime": "half past"}, ("20260102", "000000")),
        ({}, (NO_DATE, "000000")),
    ],
)
def test_date_and_time_are_those_of_the_source(said: dict[str, str], expected: tuple[str, str], scan: Scan) -> None:
    dataset = Dataset()
    for keyword, value in said.items():
        dataset.add_new(keyword, "LO", value)
    identity = identity_of(*asked(scan), [dataset])
    assert (identity.date, identity.time) == expected


def test_of_several_sources_the_last_one_tells_the_time(scan: Scan) -> None:
    sources = [header(ContentDate="20260102", ContentTime=time) for time in ("090000", "091500", "080000")]
    assert identity_of(*asked(scan), sources).time == "091500"


def test_equipment_is_the_pack_with_its_hash_and_all_that_took_part(scan: Scan) -> None:
    identity = identity_of(*asked(scan), [header()])
    assert (identity.model_name, identity.serial_number) == ("tiny 1.0.0", "ab" * 32)
    names = [words.split()[0] for words in identity.software_versions]
    assert names == ["edgerun", "highdicom", "pydicom", "fake", "tiny"]
    assert not any("None" in words for words in identity.software_versions)


def test_arrays_are_told_apart_by_shape_and_name(scan: Scan) -> None:
    request, _ = asked(scan)
    six = np.arange(6, dtype=np.uint8)
    digests = {
        digest_of(request, {"a": six}),
        digest_of(request, {"a": six.reshape(2, 3)}),
        digest_of(request, {"b": six}),
        digest_of(request, {"a": six.astype(np.uint16)}),
    }
    assert len(digests) == 4
