"""Every text element of the standard names somebody: none of it is in any byte of what is handed on."""

from __future__ import annotations

import re
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID

from edge.deidentify.table import Keep, rows
from edge.deidentify.words import FREE, TECHNIQUE
from tests.conftest import Edgerun
from tests.deidentify.cleaning import cleaned_bytes, film, task

CANARY = "QXZ"
LEAST = 750


def texts() -> list[tuple[int, str]]:
    """Tag and representation of every element that can hold free text, and of terms that the table names."""
    found = []
    for number in sorted(keyword_dict.values()):
        vr = dictionary_VR(number)
        if 0x0008 <= number >> 16 < 0x7FE0 and (vr in FREE or (vr == "CS" and number in rows())):
            found.append((number, vr))
    return found


def canaries(dataset: Dataset, start: int = 0) -> int:
    """Put a value of its own into every element of `texts`; return how many."""
    for count, (number, vr) in enumerate(texts(), start=start):
        if number not in dataset or number in rows():
            dataset.add(DataElement(Tag(number), vr, f"{CANARY}{count:05d}"))
    return len(texts())


def everywhere() -> Dataset:
    """Somebody named in every text, also in items, in private blocks, in the head of the file and in unknown tags."""
    dataset = film()
    canaries(dataset)
    for place, keyword in enumerate(
        ("ReferencedImageSequence", "PlaneOrientationSequence", "ContentSequence"), start=1
    ):
        item = Dataset()
        canaries(item, 10_000 * place)
        item.SourceImageSequence = [Dataset()]
        canaries(item.SourceImageSequence[0], 10_000 * place + 5_000)
        dataset.add_new(keyword_of(keyword), "SQ", Sequence([item]))
    block = dataset.private_block(0x0029, f"{CANARY} MAKER", create=True)
    block.add_new(0x01, "LO", f"{CANARY}90001")
    inner = Dataset()
    inner.private_block(0x0011, f"{CANARY} INNER", create=True).add_new(0x02, "UN", f"{CANARY}90002".encode())
    dataset.PlanePositionSequence = [inner]
    dataset.add_new(0x00089FFE, "UN", f"{CANARY}90003 ".encode())
    dataset.add_new(0x00089FFC, "LO", f"{CANARY}90004")
    dataset.add_new(0x60003000, "OB", f"{CANARY}90005 ".encode())
    dataset.add_new(0x50003000, "OB", f"{CANARY}90006 ".encode())
    dataset.add_new(0xFFFCFFFC, "OB", f"{CANARY}90007 ".encode())
    dataset.file_meta.SourceApplicationEntityTitle = f"{CANARY}90008"
    dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
    dataset.file_meta.PrivateInformation = f"{CANARY}90009 ".encode()
    dataset.preamble = f"{CANARY}90010".encode().ljust(128, b"\0")
    return dataset


def keyword_of(keyword: str) -> int:
    return keyword_dict[keyword]


def test_no_canary_comes_back_in_any_byte(tmp_path: Path) -> None:
    assert len(texts()) >= LEAST
    done, data = cleaned_bytes(everywhere(), tmp_path)
    assert (tmp_path / "source.dcm").read_bytes().count(CANARY.encode()) > 6 * LEAST
    assert CANARY.encode() not in data
    assert CANARY not in repr(done)


def test_what_is_kept_on_request_comes_back_and_nothing_else(tmp_path: Path) -> None:
    keeps: tuple[Keep, ...] = ("dates", "device", "institution", "patient-characteristics", "technique", "uids")
    _, data = cleaned_bytes(everywhere(), tmp_path, task(*keeps))
    asked = {number for number, row in rows().items() if row.kept_by} | {keyword_dict[name] for name in TECHNIQUE}
    numbers = {int(found) % 5_000 for found in re.findall(CANARY.encode() + rb"(\d{5})", data)}
    assert numbers
    assert {texts()[number][0] for number in numbers} <= asked


def test_no_canary_is_in_a_name_a_count_or_on_the_console(tmp_path: Path, edgerun: Edgerun) -> None:
    source = tmp_path / f"{CANARY}^Jane" / f"{CANARY}.dcm"
    source.parent.mkdir()
    cleaned_bytes(everywhere(), tmp_path)
    (tmp_path / "source.dcm").rename(source)
    source.with_name(f"{CANARY}.txt").write_text(f"{CANARY} is ill")
    out = tmp_path / "out"
    ran = edgerun("deidentify", source.parent, "--out", out, "--burned-in", "keep", "--json")
    files = [path for path in out.rglob("*") if path.is_file()]
    assert sorted({path.suffix for path in files}) == [".dcm", ".json"]
    assert not [path for path in files if CANARY.encode() in path.read_bytes() or CANARY in str(path.relative_to(out))]
    assert CANARY not in ran.out + ran.err
    assert (ran.code, ran.reports[0]["written"], ran.reports[0]["left_out"][0]["code"]) == (0, 1, "R357")
