"""Packs on this device: where they lie, what they are called, and which of their models may run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import PackError, UsageError
from edge.models import Models, check_names
from edge.pack import store
from edge.pack.manifest import ClassificationTask, Model
from edge.pack.store import (
    AUTO,
    EMBEDDED,
    MANIFEST,
    Pack,
    find_pack,
    installed_packs,
    installed_paths,
    open_pack,
    store_folder,
    usable_packs,
)
from edge.reasons import BAD_MANIFEST, MODEL_MISMATCH, NO_PACK, NO_PRECISION
from edge.testing import FakeEngine, tiny_input, tiny_manifest, tiny_segmentation, write_tiny_pack
from tests.pack.test_archive import zipped


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of this user's, and a working folder without packs."""
    place = tmp_path / "store"
    place.mkdir()
    monkeypatch.setenv("EDGERUN_PACKS", str(place))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return place


def no_pack(name: str) -> str:
    with pytest.raises(PackError) as caught:
        find_pack(name)
    assert caught.value.reason is NO_PACK
    return caught.value.message


def test_the_store_is_where_the_environment_says(installed: Path) -> None:
    assert store_folder() == installed


def test_without_a_word_the_store_is_in_the_place_for_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("EDGERUN_PACKS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store_folder() == tmp_path / "edgerun" / "packs"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    assert store_folder() == Path.home() / ".local" / "share" / "edgerun" / "packs"
    monkeypatch.setenv("EDGERUN_PACKS", "")
    assert store_folder() == Path.home() / ".local" / "share" / "edgerun" / "packs"


def test_a_store_that_is_not_there_holds_nothing_but_what_comes_with_edgerun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_PACKS", "/no/such/folder")
    assert all(path.parent == EMBEDDED for path in installed_paths())


def test_what_comes_with_edgerun_can_be_opened() -> None:
    packs = installed_packs()
    assert packs
    assert all(isinstance(pack, Pack) for pack in packs)


def test_folders_and_archives_in_the_store_are_installed_and_other_things_are_not(installed: Path) -> None:
    folder = write_tiny_pack(installed / "b-tiny")
    archive = zipped(write_tiny_pack(installed.parent / "a-tiny")).rename(installed / "a-tiny.edgepack")
    (installed / "notes.txt").write_text("x")
    (installed / "empty").mkdir()
    assert [path for path in installed_paths() if path.parent == installed] == [archive, folder]
    assert find_pack("a-tiny").sha256 == find_pack("b-tiny").sha256


def test_a_broken_installed_pack_is_listed_with_what_is_wrong_and_not_used(installed: Path) -> None:
    write_tiny_pack(installed / "good")
    (write_tiny_pack(installed / "broken") / MANIFEST).write_text("{}")
    (installed / "torn.edgepack").write_bytes(b"PK")
    errors = {error.reason for error in installed_packs() if isinstance(error, PackError)}
    assert errors == {BAD_MANIFEST, NO_PACK}
    assert [Path(pack.path).name for pack in usable_packs() if Path(pack.path).parent == installed] == ["good"]


def test_a_broken_pack_that_is_asked_for_by_name_says_what_is_wrong_with_it(installed: Path) -> None:
    (write_tiny_pack(installed / "broken") / MANIFEST).write_text("{}")
    with pytest.raises(PackError) as caught:
        find_pack("broken")
    assert caught.value.reason is BAD_MANIFEST


@pytest.mark.parametrize("name", ["chest-pneumona", "", "x" * 5000])
def test_an_unknown_name_is_answered_with_those_that_there_are(installed: Path, name: str) -> None:
    write_tiny_pack(installed / "tiny")
    if name:
        assert no_pack(name) == f"Looking for the pack {name!r}: found chest-pneumonia, tiny."


def test_where_nothing_is_installed_the_answer_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")
    assert no_pack("tiny") == "Looking for the pack 'tiny': found none."


def test_an_installed_pack_goes_before_a_folder_of_the_same_name_here(installed: Path) -> None:
    write_tiny_pack(installed / "tiny")
    write_tiny_pack(Path("tiny"), tiny_manifest(title="Here"))
    assert find_pack("tiny").manifest.title == "Tiny"


@pytest.mark.parametrize("path", ["./tiny", "tiny/", "../work/tiny"])
def test_a_name_with_a_separator_is_a_path(installed: Path, path: str) -> None:
    write_tiny_pack(installed / "tiny")
    write_tiny_pack(Path("tiny"), tiny_manifest(title="Here"))
    assert find_pack(path).manifest.title == "Here"


def test_a_name_with_a_suffix_is_a_path(installed: Path) -> None:
    write_tiny_pack(installed / "tiny")
    zipped(write_tiny_pack(Path("tiny"), tiny_manifest(title="Here")))
    assert find_pack("tiny.edgepack").manifest.title == "Here"
    assert "neither a folder" in no_pack("other.edgepack")


def test_a_folder_here_is_found_where_nothing_by_that_name_is_installed() -> None:
    write_tiny_pack(Path("mine"))
    assert find_pack("mine").manifest.name == "tiny"


def test_the_pack_is_known_by_the_hash_of_its_manifest(tmp_path: Path) -> None:
    first = open_pack(write_tiny_pack(tmp_path / "a"))
    again = open_pack(write_tiny_pack(tmp_path / "b"))
    other = open_pack(write_tiny_pack(tmp_path / "c", tiny_manifest(limits="Knows less.")))
    assert first.sha256 == again.sha256 != other.sha256


# Which model ----------------------------------------------------------------------------------------------


def with_models(folder: Path, *rows: tuple[str, str, tuple[str, ...]]) -> Pack:
    """A tiny pack with a model of each precision, verdict and engines."""
    model = tiny_manifest().models[0]
    models: list[Model] = [
        replace(model, precision=precision, verdict=verdict, engines=engines, file=f"{precision}.onnx")  # type: ignore[arg-type]
        for precision, verdict, engines in rows
    ]
    return open_pack(write_tiny_pack(folder / "tiny", tiny_manifest(models=tuple(models))))


def not_chosen(pack: Pack, precision: str, *engines: str) -> str:
    with pytest.raises(PackError) as caught:
        pack.choose_model(precision, engines)
    assert caught.value.reason is NO_PRECISION
    return caught.value.message


ORT = ("onnxruntime",)


def test_auto_takes_the_first_model_that_the_gate_let_pass(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "rejected", ORT), ("fp16", "inconclusive", ORT), ("fp32", "reference", ORT))
    model, engine = pack.choose_model(AUTO, ORT)
    assert (model.precision, engine) == ("fp32", "onnxruntime")


def test_auto_takes_them_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "passed", ORT), ("fp32", "reference", ORT))
    assert pack.choose_model(AUTO, ORT)[0].precision == "int8"


def test_a_precision_is_chosen_by_its_name(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "passed", ORT), ("fp32", "reference", ORT))
    assert pack.choose_model("fp32", ORT)[0].precision == "fp32"


def test_a_precision_that_was_rejected_is_not_to_be_had_by_name_either(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "rejected", ORT), ("fp32", "reference", ORT))
    said = not_chosen(pack, "int8", "onnxruntime")
    assert "found int8 (rejected) for onnxruntime; fp32 (reference) for onnxruntime" in said
    assert "asked for int8 on onnxruntime" in said


def test_a_precision_of_which_the_gate_could_not_tell_is_to_be_had_by_name_alone(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "inconclusive", ORT), ("fp32", "reference", ORT))
    assert pack.choose_model("int8", ORT)[0].precision == "int8"
    assert pack.choose_model(AUTO, ORT)[0].precision == "fp32"


def test_what_passed_is_preferred_to_what_could_not_be_told(tmp_path: Path) -> None:
    openvino = ("openvino",)
    pack = with_models(tmp_path, ("int8", "inconclusive", ORT), ("int8", "passed", openvino))
    assert pack.choose_model("int8", (*ORT, *openvino))[1] == "openvino"


def test_a_precision_that_the_pack_lacks_is_answered_with_what_it_has(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("fp32", "reference", ORT))
    assert "found fp32 (reference) for onnxruntime; asked for fp16" in not_chosen(pack, "fp16", "onnxruntime")


def test_a_pack_of_which_nothing_passed_runs_nothing(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "rejected", ORT), ("fp32", "inconclusive", ORT))
    assert not_chosen(pack, AUTO, "onnxruntime")


def test_a_model_runs_on_no_engine_that_it_was_not_proven_for(tmp_path: Path) -> None:
    pack = with_models(tmp_path, ("int8", "passed", ("tensorrt",)), ("fp32", "reference", ("onnxruntime", "openvino")))
    assert pack.choose_model(AUTO, ("openvino", "onnxruntime"))[1] == "openvino"
    assert pack.choose_model(AUTO, ("tensorrt",))[0].precision == "int8"
    assert pack.choose_model(AUTO, ("onnxruntime", "openvino"))[0].precision == "fp32"
    assert "asked for fp32 on tensorrt" in not_chosen(pack, "fp32", "tensorrt")
    assert not_chosen(pack, AUTO)


# Loaded once ----------------------------------------------------------------------------------------------


def test_a_model_is_loaded_once_and_closed_at_the_end(tmp_path: Path) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    with Models(str(folder), None, AUTO) as models:
        models.warm_up()
        first = models.open(models.packs[0])
        assert models.open(models.packs[0])[1] is first[1]
    assert first[1].facts.name == "onnxruntime"


def test_without_a_name_every_usable_pack_may_be_used(installed: Path) -> None:
    write_tiny_pack(installed / "tiny")
    names = [pack.manifest.name for pack in Models(None, None, AUTO).packs]
    assert names == ["chest-pneumonia", "tiny"]


def test_an_engine_that_there_is_not_is_an_error_of_usage(tmp_path: Path) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    with (
        pytest.raises(UsageError, match="did you mean 'onnxruntime'"),
        Models(str(folder), "onxruntime", AUTO) as models,
    ):
        models.open(models.packs[0])


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [(("picture",), ("scores",)), (("image", "mask"), ("scores",)), (("image",), ("logits",)), ((), ("scores",))],
)
def test_a_graph_with_other_names_than_the_manifest_is_refused(
    tmp_path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> None:
    pack = open_pack(write_tiny_pack(tmp_path / "tiny"))
    with pytest.raises(PackError) as caught:
        check_names(pack, FakeEngine(dict, inputs=inputs, outputs=outputs))
    assert caught.value.reason is MODEL_MISMATCH
    assert "expected inputs image; outputs scores" in caught.value.message


def test_a_graph_may_give_more_than_the_manifest_asks_for(tmp_path: Path) -> None:
    pack = open_pack(write_tiny_pack(tmp_path / "tiny"))
    check_names(pack, FakeEngine(dict, outputs=("scores", "features")))


def test_a_promised_map_must_be_an_output_of_the_graph(tmp_path: Path) -> None:
    task = tiny_manifest().task
    assert isinstance(task, ClassificationTask)
    manifest = tiny_manifest(task=replace(task, map_output="cam"))
    pack = open_pack(write_tiny_pack(tmp_path / "tiny", manifest))
    check_names(pack, FakeEngine(dict, outputs=("scores", "cam")))
    with pytest.raises(PackError):
        check_names(pack, FakeEngine(dict))


def test_the_names_of_a_segmentation_and_of_every_input_are_checked(tmp_path: Path) -> None:
    inputs = (tiny_input(), replace(tiny_input(), name="second", tensor="other"))
    pack = open_pack(write_tiny_pack(tmp_path / "tiny", tiny_manifest(task=tiny_segmentation(), inputs=inputs)))
    check_names(pack, FakeEngine(dict, inputs=("image", "other")))
    with pytest.raises(PackError):
        check_names(pack, FakeEngine(dict))


def test_a_pack_that_is_installed_twice_is_used_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_PACKS", str(tmp_path))
    before = [pack.manifest.name for pack in usable_packs()]
    shutil.copytree(EMBEDDED / "chest-pneumonia", tmp_path / "copy")
    assert [pack.manifest.name for pack in usable_packs()] == before


def test_a_pack_is_found_by_the_name_that_its_list_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_PACKS", str(tmp_path))
    write_tiny_pack(tmp_path / "folder")
    assert find_pack("tiny").path == find_pack("folder").path
