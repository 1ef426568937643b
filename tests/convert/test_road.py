"""`edgerun-convert init` and `build`: a model from elsewhere becomes a pack that `edgerun infer` runs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from convert.cli import main
from convert.labels import LabelledSet
from convert.radiograph import radiograph
from convert.road import halves
from edge.pack.store import EMBEDDED
from tests.conftest import ROOT, Edgerun

DATA = ROOT.parent / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"
PACK = EMBEDDED / "chest-pneumonia"
MODEL = PACK / "model.fp32.onnx"


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What the command left behind."""

    code: int
    out: str
    err: str


Convert = Callable[..., Converted]


@pytest.fixture
def convert(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Convert:
    def run(*arguments: object) -> Converted:
        monkeypatch.setattr(sys, "argv", ["edgerun-convert", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        captured = capsys.readouterr()
        return Converted(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def description(tmp_path: Path) -> Path:
    """The clinical part of the embedded pack, as its maker would have written it."""
    manifest = json.loads((PACK / "manifest.json").read_text(encoding="utf-8"))
    for key in ("format", "format_version", "models", "golden", "evidence"):
        del manifest[key]
    manifest["name"] = "again"
    manifest["thresholds"] = {"pneumonia": {"rule": "sensitivity", "at_least": 0.9}}
    path = tmp_path / "pack.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 160 real pictures with their table, and another of 40 to calibrate with."""
    if not DATA.is_file():
        pytest.skip(f"the data set {DATA.name} is not on this machine")
    folder = tmp_path_factory.mktemp("scans")
    with np.load(DATA) as data:
        images, labels = data["test_images"], data["test_labels"].ravel()
        chosen = np.concatenate([np.flatnonzero(labels == value)[:80] for value in (0, 1)])
        (folder / "calibrate").mkdir()
        for index in range(40):
            name = f"train-{index}"
            (folder / "calibrate" / f"{name}.dcm").write_bytes(radiograph(data["train_images"][index], name))
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "pneumonia"])
        for index in chosen:
            (folder / f"{index}.dcm").write_bytes(radiograph(images[index], f"test-{index}"))
            writer.writerow([f"{index}.dcm", int(labels[index])])
    return folder


def test_a_model_becomes_a_pack_that_examines(
    convert: Convert, edgerun: Edgerun, description: Path, scans: Path, tmp_path: Path, examples: Path
) -> None:
    sets = ["--calibrate", scans / "calibrate", "--evaluate", scans / "labels.csv"]
    built = convert("build", MODEL, "--describe", description, *sets, "--out", tmp_path / "out", "--json")
    assert built.code == 0, built.err
    report = json.loads(built.out)
    assert report == json.loads((tmp_path / "out" / "conversion.json").read_text(encoding="utf-8"))
    first, *others = report["candidates"]
    assert (first["precision"], first["engine"], first["judgement"]) == ("fp32", "onnxruntime", None)
    assert {item["judgement"]["verdict"] for item in others} <= {"passed", "rejected", "inconclusive"}
    assert "int8 on onnxruntime" in built.err

    assert edgerun("pack", "check", tmp_path / "out" / "again").code == 0
    asked = ["infer", examples / "chest-pneumonia-0000.dcm", "--pack", tmp_path / "out" / "again"]
    (result,) = edgerun(*asked, "--json", "--out", tmp_path / "results").reports[0]["results"]
    assert result["state"] == "finding"
    assert result["pack"]["name"] == "again"


def test_a_verdict_from_eighty_scans_is_not_called_proven(
    convert: Convert, description: Path, scans: Path, tmp_path: Path
) -> None:
    sets = ["--calibrate", scans / "calibrate", "--evaluate", scans / "labels.csv"]
    built = convert("build", MODEL, "--describe", description, *sets, "--out", tmp_path / "out", "--json")
    for candidate in json.loads(built.out)["candidates"][1:]:
        assert candidate["judgement"]["verdict"] != "passed"
        flips = [row for row in candidate["judgement"]["comparisons"] if row["metric"] == "flips"]
        assert all(row["n"] == 80 for row in flips)


def test_init_prints_a_description_that_is_refused_until_it_is_filled_in(
    convert: Convert, scans: Path, tmp_path: Path
) -> None:
    drawn = convert("init", MODEL, "--name", "my-chest")
    assert drawn.code == 0
    assert 'tensor = "image"' in drawn.out
    draft = tmp_path / "pack.toml"
    draft.write_text(drawn.out, encoding="utf-8")
    sets = ["--calibrate", scans / "calibrate", "--evaluate", scans / "labels.csv"]
    refused = convert("build", MODEL, "--describe", draft, *sets, "--out", tmp_path / "out")
    assert refused.code == 2
    assert "still to be filled in" in refused.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_method_is_refused(convert: Convert, description: Path, scans: Path, tmp_path: Path) -> None:
    sets = ["--calibrate", scans, "--evaluate", scans / "labels.csv", "--method", "guess"]
    refused = convert("build", MODEL, "--describe", description, *sets, "--out", tmp_path / "out")
    assert refused.code == 2
    assert "expected one of minmax, entropy, percentile" in refused.err


def test_an_empty_folder_calibrates_nothing(convert: Convert, description: Path, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sets = ["--calibrate", tmp_path / "empty", "--evaluate", scans / "labels.csv"]
    refused = convert("build", MODEL, "--describe", description, *sets, "--out", tmp_path / "out")
    assert refused.code == 3
    assert "R300" in refused.err


def test_the_halves_of_a_table_share_no_scan_and_have_as_many_of_each_kind() -> None:
    truth = np.arange(101) % 3 == 0
    scans = LabelledSet(
        paths=tuple(Path(f"{index}.dcm") for index in range(101)), truths={"x": truth}, groups={"sex": ("F",) * 101}
    )
    first, second = halves(scans)
    assert set(first.paths) | set(second.paths) == set(scans.paths)
    assert set(first.paths) & set(second.paths) == set()
    assert abs(int(first.truths["x"].sum()) - int(second.truths["x"].sum())) <= 1
    assert [int(path.stem) % 3 == 0 for path in first.paths] == first.truths["x"].tolist()
    assert len(first.groups["sex"]) == len(first.paths)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_file_is_drawn_once_the_size_of_its_input_is_told(convert: Convert, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.jit.trace(network.eval(), torch.zeros(1, 1, 8, 8)).save(str(tmp_path / "net.pt"))
    untold = convert("init", tmp_path / "net.pt")
    assert untold.code == 2
    assert "found no shape of its inputs" in untold.err
    assert "shape = [1, 8, 8]" in convert("init", tmp_path / "net.pt", "--shape", "image=1x1x8x8").out


@pytest.mark.parametrize("shape", ["image", "image=", "image=1xax3", "=1x2"])
def test_a_shape_that_is_none_is_refused(convert: Convert, shape: str) -> None:
    refused = convert("init", MODEL, "--shape", shape)
    assert refused.code == 2
    assert "expected INPUT=SIZES" in refused.err
