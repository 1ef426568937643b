"""Every row of a table is found again in what came of it: answered, refused or failed, and never dropped."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import UsageError
from edge.pipeline import Request
from edge.site.case import Case
from edge.site.examine import Examined, Watch, check_answers, examine_cases
from tests.site.cases import case, tiny
from tests.site.pictures import picture


@pytest.fixture
def found(tmp_path: Path) -> Mapping[str, Examined]:
    """What came of a file, a folder, a folder of two, a blank picture, no picture, and an empty folder."""
    tiny(tmp_path / "tiny")
    picture(tmp_path / "bright.png", 230)
    picture(tmp_path / "one" / "deep" / "dark.png", 20)
    picture(tmp_path / "two" / "a.png", 30)
    picture(tmp_path / "two" / "b.png", 40)
    cv2.imwrite(str(tmp_path / "blank.png"), np.zeros((8, 8), np.uint8))
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    names = ("bright.png", "one", "two", "blank.png", "text.png", "empty")
    rows = [
        Case(row=row, path=tmp_path / name, truth={"bright": True}, patient=name)
        for row, name in enumerate(names, start=2)
    ]
    request = Request(paths=(), out=tmp_path / "out", pack=str(tmp_path / "tiny"))
    examined = examine_cases(rows, request, Watch(io.StringIO()))
    assert [each.case for each in examined] == rows
    return dict(zip(names, examined, strict=True))


def test_every_row_has_its_own_outcome(found: Mapping[str, Examined]) -> None:
    assert [name for name, each in found.items() if each.answered] == ["bright.png", "one"]
    assert found["bright.png"].labels[0].positive
    assert not found["one"].labels[0].positive
    assert found["bright.png"].engine is not None
    assert found["bright.png"].engine.name == "onnxruntime"
    assert [name for name, each in found.items() if each.refused] == ["blank.png"]
    reasons = {name: each.reason.code for name, each in found.items() if each.reason}
    assert reasons == {"two": "", "blank.png": "C712", "text.png": "R301", "empty": "R300"}
    assert "names 2 scans" in (found["two"].reason.words if found["two"].reason else "")
    assert len({each.key for each in found.values() if each.answered}) == 2


def test_a_pack_that_answered_nothing_is_not_judged() -> None:
    with pytest.raises(UsageError, match="Line 2: C704: Another part"):
        check_answers([case(2, None, truth=True)], "tiny")
    check_answers([case(2, None, truth=True), case(3, 0.1, truth=True)], "tiny")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_says_how_far_it_is_and_else_nothing() -> None:
    for stream, expected in ((Terminal(), "\r1 of 2 studies examined\r2 of 2 studies examined\n"), (io.StringIO(), "")):
        watch = Watch(stream)
        watch.found(2, [])
        watch.done(1)
        watch.done(2)
        assert stream.getvalue() == expected
