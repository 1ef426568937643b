"""Names in any of DICOM's character sets come out of a report as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.objects.cases import complete, scan_of
from tests.objects.planted import made, ran, read
from tests.read.dicom_files import picture
from tests.write.outcomes import refusal


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO_IR 127"], "قباني^لنزار"),
        (["ISO_IR 144"], "Люкceмбypг"),  # noqa: RUF001
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (["ISO_IR 100"], "Buc^Jérôme"),
        (["ISO_IR 192"], "Wang^XiaoDong=王^小東"),
    ],
    ids=["japanese", "arabic", "cyrillic", "korean", "latin-1", "utf-8"],
)
def test_a_name_comes_out_as_it_was_written(charset: list[str], name: str, tmp_path: Path) -> None:
    source = picture(np.zeros((8, 8), np.uint8), SpecificCharacterSet=charset)
    scan = scan_of(complete([source], SpecificCharacterSet=charset, PatientName=name), tmp_path)
    path = tmp_path / "sr.dcm"
    path.write_bytes(made("sr", scan, refusal())["sr.dcm"])
    assert read(path.read_bytes()).SpecificCharacterSet == "ISO_IR 192"
    assert f"[{name}]" in ran("dcmdump", "+U8", "+P", "0010,0010", path)
