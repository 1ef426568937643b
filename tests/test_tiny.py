"""Does it work here? A real radiograph in, a finding, a picture and a report out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Edgerun


def test_a_radiograph_gives_a_finding_a_picture_and_a_report(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    ran = edgerun("infer", examples / "chest-pneumonia-0000.dcm", "--out", tmp_path)

    (folder,) = tmp_path.glob("*-chest-pneumonia-*")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert ran.code == 0
    assert report["state"] == "finding"
    assert report["results"][0]["findings"]["labels"][0]["name"] == "pneumonia"
    assert (folder / "overlay.png").read_bytes().startswith(b"\x89PNG")
