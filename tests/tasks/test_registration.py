"""Registration: known displacements in millimetres, a shifted phantom that comes back, folds, places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from edge.errors import ReadError
from edge.findings import Refusal, Registration, state_of
from edge.geometry import Grid, resample
from edge.pack.manifest import Manifest, RegistrationTask
from edge.prepare import prepare
from edge.reasons import FOLDED, NO_COMMON_PLACE
from edge.scan import Scan
from edge.testing import phantom_scan, tiny_manifest
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import answered, volume_input, volume_of
from tests.tasks.nets import examined, findings, model_bytes

Array = NDArray[Any]
SHAPE = (6, 7, 8)
TURNS = list(all_turns())


def manifest_of(*steps: Mapping[str, object], shape: tuple[int, int, int] = SHAPE) -> Manifest:
    task = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="moving")
    inputs = tuple(volume_input(name, shape=(1, *shape), steps=steps) for name in ("fixed", "moving"))
    return tiny_manifest(task=task, inputs=inputs)


def field_net(per_axis: Sequence[float], slope: float = 0.0) -> bytes:
    """Gives the same displacement everywhere, and along x a share of the index along x beside it."""
    ramp = np.arange(SHAPE[2], dtype=np.float32) * slope
    base = np.broadcast_to(np.array(per_axis, np.float32).reshape(1, 3, 1, 1, 1), (1, 3, *SHAPE)).copy()
    base[:, 2] += ramp
    nodes = [
        helper.make_node("Sub", ["fixed", "fixed"], ["none"]),
        helper.make_node("Sub", ["moving", "moving"], ["nothing"]),
        helper.make_node("Add", ["none", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "base"], ["field"]),
    ]
    shapes = {name: [1, 1, *SHAPE] for name in ("fixed", "moving")} | {"field": [1, 3, *SHAPE]}
    return model_bytes(nodes, shapes, {"base": base})


def blob(grid: Grid, at_mm: Array) -> Array:
    """A soft ball around a place in the patient."""
    index = np.indices(grid.shape).reshape(3, -1)
    places = grid.matrix[:3, :3] @ index + grid.matrix[:3, 3:]
    distance = ((places - at_mm.reshape(3, 1)) ** 2).sum(axis=0)
    return np.asarray(1000.0 * np.exp(-distance / 18.0), dtype=np.float32).reshape(grid.shape)


def around(grid: Grid, middle: Array) -> Grid:
    """The grid, moved so that its middle lies at a place in the patient."""
    matrix = grid.matrix
    matrix[:3, 3] += middle - (matrix @ [*((n - 1) / 2 for n in grid.shape), 1.0])[:3]
    return Grid.of(grid.shape, matrix, grid.space)


def registered(fixed: Scan, moving: Scan, net: bytes, manifest: Manifest | None = None) -> Registration:
    found = findings({"fixed": fixed, "moving": moving}, manifest or manifest_of(), net)
    assert isinstance(found, Registration)
    return found


GRID = rotated(canonical_grid(SHAPE))
MIDDLE = (GRID.matrix @ [2.5, 3, 3.5, 1])[:3]
FIXED = volume_of(blob(GRID, MIDDLE), GRID)


def test_a_constant_displacement_is_known_in_millimetres() -> None:
    moving = volume_of(FIXED.voxels + 1, GRID)
    found = registered(FIXED, moving, field_net((1.0, 0.0, -2.0)))
    expected = GRID.matrix[:3, :3] @ [1.0, 0.0, -2.0]
    assert found.displacement_mm.shape == (3, *SHAPE)
    assert found.displacement_mm[:, 1, 2, 3] == pytest.approx(expected, abs=1e-4)
    length = float(np.linalg.norm(expected))
    assert (found.mean_mm, found.largest_mm) == pytest.approx((length, length), rel=1e-5)
    assert length == pytest.approx(np.hypot(2.5, 2 * 0.75), rel=1e-6)
    assert found.folded_share == 0.0
    assert state_of(found) == "done"


def test_a_displacement_that_grows_has_its_mean_and_its_largest() -> None:
    found = registered(FIXED, volume_of(FIXED.voxels + 1, GRID), field_net((0, 0, 0), slope=0.5))
    assert found.largest_mm == pytest.approx(0.5 * 7 * 0.75, rel=1e-5)
    assert found.mean_mm == pytest.approx(0.5 * 3.5 * 0.75, rel=1e-5)


def test_a_shifted_phantom_comes_back() -> None:
    shift = GRID.matrix[:3, :3] @ [0.0, 1.0, -1.0]
    moving = volume_of(blob(GRID, MIDDLE + shift), GRID)
    found = registered(FIXED, moving, field_net((0.0, 1.0, -1.0)))
    seen = np.isfinite(found.warped)
    assert seen.mean() > 0.7
    assert np.abs(found.warped - FIXED.voxels)[seen].max() < 1.0
    assert np.abs(found.before - FIXED.voxels).max() > 100.0
    assert np.array_equal(found.fixed, FIXED.voxels)
    assert np.array_equal(found.before, moving.voxels)


@pytest.mark.parametrize("index", range(0, 48, 5))
def test_the_moving_scan_is_brought_by_its_header_from_any_grid(index: int) -> None:
    """Finer, oblique to the fixed one and stored in any order: by the header alone it lies right."""
    finer = around(canonical_grid((12, 15, 18)).resized((20, 25, 30)), MIDDLE)
    own = TURNS[index].apply_grid(finer)
    moving = volume_of(blob(own, MIDDLE), own)
    fed = next(prepare({"fixed": FIXED, "moving": moving}, manifest_of())).tensors
    assert fed["moving"][0, 0] == pytest.approx(FIXED.voxels, abs=40.0)
    found = registered(FIXED, moving, field_net((0.0, 0.0, 0.0)))
    for brought in (found.before, found.warped):
        assert np.isfinite(brought).all()
        assert brought == pytest.approx(FIXED.voxels, abs=40.0)
    assert found.grid == GRID


def test_displacements_are_in_the_patient_whatever_the_steps_did_to_the_axes() -> None:
    turn = TURNS[17]
    stored = volume_of(np.ascontiguousarray(turn.apply(FIXED.voxels)), turn.apply_grid(GRID))
    moving = volume_of(blob(GRID, MIDDLE + GRID.matrix[:3, :3] @ [1.0, 0.0, 0.0]), GRID)
    net = field_net((1.0, 0.0, 0.0))
    plain = registered(FIXED, moving, net, manifest_of(step("orient")))
    found = registered(stored, moving, net, manifest_of(step("orient")))
    assert found.displacement_mm == pytest.approx(plain.displacement_mm, abs=1e-5)
    assert np.nan_to_num(found.warped) == pytest.approx(np.nan_to_num(plain.warped), abs=1e-2)
    assert found.grid.matrix == pytest.approx(GRID.matrix, abs=1e-9)


def test_the_fixed_scan_is_resampled_with_what_the_model_saw() -> None:
    fine = volume_of(blob(GRID.resized((12, 14, 16)), MIDDLE), GRID.resized((12, 14, 16)))
    moving = volume_of(blob(GRID, MIDDLE), GRID)
    found = registered(fine, moving, field_net((0, 0, 0)), manifest_of(step("resize_volume", shape=list(SHAPE))))
    assert found.fixed.shape == found.before.shape == found.grid.shape == SHAPE
    assert np.array_equal(found.fixed, resample(fine.voxels, fine.grid, found.grid, fill=np.nan))


def test_folds_are_counted_and_warned_of() -> None:
    scans = {"fixed": FIXED, "moving": volume_of(FIXED.voxels + 1, GRID)}
    said = examined(scans, manifest_of(), field_net((0, 0, 0), slope=-2.0))
    assert isinstance(said.findings, Registration)
    assert said.findings.folded_share == 1.0
    assert [(note.reason, note.severity, note.detail) for note in said.warnings] == [
        (FOLDED, "warn", "100.00% of the voxels.")
    ]
    assert examined(scans, manifest_of(), field_net((0, 0, 0), slope=-0.5)).warnings == ()


# Where scans lie to each other ---------------------------------------------------------------------------


def code_of(fixed: Scan, moving: Scan) -> str:
    with pytest.raises(ReadError) as caught:
        answered(manifest_of(), {"fixed": fixed, "moving": moving}, lambda _: pytest.fail("the model was run"))
    return caught.value.reason.code


def test_scans_without_a_place_are_refused_before_the_model_is_run() -> None:
    nowhere = replace(phantom_scan(SHAPE), stack="volume")
    assert code_of(FIXED, nowhere) == "C722"
    assert code_of(nowhere, FIXED) == "C722"
    assert code_of(nowhere, nowhere) == "C722"


def test_scans_of_different_places_are_refused() -> None:
    away = GRID.cropped((100, 0, 0), SHAPE)
    assert code_of(FIXED, volume_of(blob(away, (away.matrix @ [2, 3, 4, 1])[:3]), away)) == "C722"


def test_two_frames_of_reference_are_warned_of() -> None:
    """Two visits have different ones; to bring them together is what a registration is for."""
    first, second = (volume_of(FIXED.voxels + 1, GRID, frame_of_reference_uid=uid) for uid in ("1.2", "1.3"))
    said = examined({"fixed": first, "moving": second}, manifest_of(), field_net((0, 0, 0)))
    assert not isinstance(said.findings, Refusal)
    assert [(note.reason, note.severity) for note in said.warnings] == [(NO_COMMON_PLACE, "warn")]
    assert examined({"fixed": first, "moving": first}, manifest_of(), field_net((0, 0, 0))).warnings == ()
    unknown = volume_of(FIXED.voxels, GRID)
    assert examined({"fixed": first, "moving": unknown}, manifest_of(), field_net((0, 0, 0))).warnings == ()
