"""The make of a device: from the header to a group, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.scan import Acquisition, Source
from edge.site.case import Case
from edge.site.devices import with_devices
from edge.site.examine import Examined
from edge.site.subgroups import NOT_TOLD, levels_of
from edge.write.report import ResultReport, ScanReport
from tests.read.dicom_files import describe, picture, save
from tests.read.test_dicom_pictures import GREY
from tests.site.cases import ENGINE


def film(path: Path, maker: str, model: str, number: int) -> Path:
    uids = {f"{name}InstanceUID": f"2.25.{number}" for name in ("Study", "Series", "SOP")}
    return Path(save(picture(GREY, Manufacturer=maker, ManufacturerModelName=model, **uids), path))


def answered(path: Path, row: int, **told: str) -> Examined:
    scan = ScanReport(
        study_instance_uid=None,
        series_instance_uid=None,
        stack=None,
        unit=None,
        grid=None,
        acquisition=Acquisition(),
        sources=(Source(path=str(path), sha256=""),),
    )
    result = ResultReport(state="no-finding", summary="", scan=scan, confirmed={})
    case = Case(row=row, path=path, truth={"bright": True}, patient=f"{row}", told=told)
    return Examined(case=case, engine=ENGINE, result=result)


@pytest.mark.parametrize(
    ("maker", "model", "device"),
    [
        ("SIEMENS", "Ysio", "SIEMENS Ysio"),
        ("GE", "GE  Optima", "GE Optima"),
        ("", "CXDI", "CXDI"),
        ("Canon", "", "Canon"),
        ("", "", None),
    ],
)
def test_a_device_is_told_by_its_maker_and_model(tmp_path: Path, maker: str, model: str, device: str | None) -> None:
    assert describe(str(film(tmp_path / "a.dcm", maker, model, 1))).acquisition.device == device


def test_the_table_comes_before_the_header_and_what_nobody_tells_stays_unknown(tmp_path: Path) -> None:
    makes = [("SIEMENS", "Ysio"), ("Canon", "CXDI"), ("Canon", "CXDI"), ("", "")]
    films = [film(tmp_path / f"{n}.dcm", *make, n + 1) for n, make in enumerate(makes)]
    cases = [answered(path, row) for row, path in enumerate(films[:2] + films[3:], start=2)]
    cases.append(answered(films[2], 9, device="room 3"))
    assert levels_of("device", with_devices(cases)) == ["SIEMENS Ysio", "Canon CXDI", NOT_TOLD, "room 3"]


def test_of_one_make_alone_there_is_no_group(tmp_path: Path) -> None:
    cases = [answered(film(tmp_path / f"{n}.dcm", "Canon", "CXDI", n), n) for n in (1, 2)]
    assert levels_of("device", with_devices(cases)) == [NOT_TOLD] * 2
