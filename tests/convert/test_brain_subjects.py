"""Made-up subjects: what they are made from, that they repeat, and that their truth is that of their voxels."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from convert.recipes import brain_subjects as subjects  # noqa: E402
from tests.convert.brains import CORNER, SIDE, other_wheel, spheres, wheel, zipped  # noqa: E402

SIGHT = subjects.Sight(shape=(25, 29, 27), spacing_mm=(2.5, 2.0, 2.0))
SEEDS = range(10)


@pytest.fixture(scope="module", autouse=True)
def on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subjects.Maps]:
    with pytest.MonkeyPatch.context() as patch:
        yield subjects.load_maps(wheel(tmp_path_factory.mktemp("maps") / "nilearn.whl", patch, without_corner()))


def without_corner() -> dict[str, np.ndarray]:
    found = spheres()
    for values in found.values():
        values[CORNER] = 0
    return found


def made(maps: subjects.Maps, seed: int, strength: float = 1.0) -> subjects.Subject:
    sight = subjects.Sight(shape=SIGHT.shape, spacing_mm=SIGHT.spacing_mm, strength=strength)
    return subjects.synthesise(maps, sight, seed)


# The maps ------------------------------------------------------------------------------------------------


def test_axes_are_turned_to_head_back_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = subjects.load_maps(wheel(tmp_path / "nilearn.whl", monkeypatch))
    x, y, z = CORNER
    assert found.truth[z, SIDE - 1 - y, SIDE - 1 - x] == 1 + subjects.LABELS.index("white-matter")
    assert found.template.voxels[z, SIDE - 1 - y, SIDE - 1 - x] == 230
    assert found.template.grid.steps == (1.0, 1.0, 1.0)
    assert (np.diag(found.template.grid.matrix[:3, 2::-1]) > 0).all()


def test_what_the_hull_holds_beside_grey_and_white_matter_is_csf(maps: subjects.Maps) -> None:
    middle = (SIDE - 1) / 2
    radius = np.linalg.norm(np.indices((SIDE,) * 3) - middle, axis=0)
    assert (maps.truth[radius < 8] == 2).all()
    assert (maps.truth[(radius >= 8) & (radius < 13)] == 1).all()
    assert (maps.truth[(radius >= 13) & (radius < 16)] == 3).all()
    assert (maps.truth[radius >= 16] == 0).all()


def test_what_lies_outside_the_hull_is_no_tissue_whatever_the_maps_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maps of ICBM 152 have small shares of grey matter around the brain that the template shows."""
    spread = without_corner()
    spread["gm"] = np.where(spread["t1"] == 0, 30, spread["gm"]).astype(np.uint8)
    found = subjects.load_maps(wheel(tmp_path / "nilearn.whl", monkeypatch, spread))
    assert ((found.truth == 0) == (found.template.voxels == 0)).all()
    assert found.shares[0, :3, found.shares[0, 3].numpy() > 0].max() == 0


def test_shares_add_up_to_the_hull_and_the_distance_grows_outside_it(maps: subjects.Maps) -> None:
    grey, white, csf, outside = maps.shares[0].numpy()
    inside = outside == 0
    np.testing.assert_allclose((grey + white + csf)[inside], 1, atol=1e-6)
    assert (grey + white + csf)[~inside].max() == 0
    middle = outside[outside.shape[0] // 2, outside.shape[1] // 2]
    assert middle[0] == pytest.approx(subjects.MARGIN_MM, abs=1)
    assert (np.diff(middle[: subjects.MARGIN_MM]) == -1).all()


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_absent_or_foreign_data_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "nilearn.whl"
    if content is None:
        with pytest.raises(FileNotFoundError, match="pip download nilearn --no-deps"):
            subjects.load_maps(path)
        return
    path.write_bytes(content)
    with pytest.raises(ValueError, match="found no zip archive, expected the wheel of nilearn"):
        subjects.load_maps(path)


def test_a_wheel_without_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no nilearn/datasets/data/mni_icbm152_gm"):
        subjects.load_maps(other_wheel(tmp_path / "nilearn.whl"))


def test_an_altered_map_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wheel(tmp_path / "nilearn.whl", monkeypatch)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    changed = next(name for name in files if "_wm_" in name)
    files[changed] = zipped(spheres()["gm"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=r"_wm_.* is not the recipe's map: SHA-256 "):
        subjects.load_maps(path)


# The subjects --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_subject(maps: subjects.Maps) -> None:
    first, second, other = (made(maps, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.scan.voxels, second.scan.voxels)
    assert np.array_equal(first.truth, second.truth)
    assert not np.array_equal(first.truth, other.truth)
    assert first.scan.sources[0].sha256 == second.scan.sources[0].sha256 != other.scan.sources[0].sha256


def test_a_seed_leaves_pytorchs_own_numbers_alone(maps: subjects.Maps) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    made(maps, 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_subject_is_a_scan_with_every_tissue(maps: subjects.Maps, seed: int) -> None:
    subject = made(maps, seed)
    assert subject.scan.voxels.shape == subject.truth.shape == SIGHT.shape
    assert subject.scan.voxels.dtype == np.float32
    assert subject.truth.dtype == np.uint8
    assert subject.scan.grid.steps == SIGHT.spacing_mm
    assert np.isfinite(subject.scan.voxels).all()
    assert subject.scan.voxels.min() >= 0
    assert set(np.unique(subject.truth)) == {0, 1, 2, 3}


def test_the_scan_lies_around_the_origin(maps: subjects.Maps) -> None:
    scan = made(maps, 0).scan
    corners = scan.grid.matrix @ np.array([[0, 0, 0, 1], [*(count - 1 for count in SIGHT.shape), 1]]).T
    np.testing.assert_allclose(corners[:3].sum(axis=1), 0, atol=1e-6)


def test_the_truth_is_where_the_tissues_are_seen(maps: subjects.Maps) -> None:
    """White matter is brighter than grey, and grey brighter than CSF, in every subject as in a T1-weighted scan."""
    for seed in SEEDS:
        subject = made(maps, seed)
        grey, white, csf = (float(np.median(subject.scan.voxels[subject.truth == code])) for code in (1, 2, 3))
        assert white > grey > csf, seed


def test_contrasts_differ(maps: subjects.Maps) -> None:
    ratios = []
    for seed in SEEDS:
        subject = made(maps, seed)
        grey, white = (float(np.median(subject.scan.voxels[subject.truth == code])) for code in (1, 2))
        ratios.append(grey / white)
    assert max(ratios) - min(ratios) > 0.1


def test_some_heads_are_extracted_and_some_have_shells(maps: subjects.Maps) -> None:
    shares = [float((made(maps, seed).scan.voxels == 0).mean()) for seed in SEEDS]
    extracted = [share > 0.3 for share in shares]
    assert 2 <= sum(extracted) <= len(SEEDS) - 2


def test_a_stronger_deformation_moves_more(maps: subjects.Maps) -> None:
    def changed(strength: float) -> float:
        still = [made(maps, seed, 0.0).truth for seed in SEEDS[:4]]
        moved = [made(maps, seed, strength).truth for seed in SEEDS[:4]]
        return float(np.mean([(one != other).mean() for one, other in zip(still, moved, strict=True)]))

    assert changed(0.5) < changed(1.0) < changed(2.0)


def test_a_turn_keeps_volumes_but_for_its_scaling() -> None:
    generator = torch.Generator().manual_seed(0)
    turns = [subjects._turn(1.0, generator) for _ in range(50)]
    assert all(0.6 < float(torch.linalg.det(turn)) < 1.6 for turn in turns)
    torch.testing.assert_close(subjects._turn(0.0, generator), torch.eye(3))


def test_individuals_are_sharper_than_the_average(maps: subjects.Maps) -> None:
    blurred = torch.nn.functional.avg_pool3d(maps.shares[:, :3], 5, 1, 2)
    found = [subjects._individual(blurred, torch.Generator().manual_seed(seed)) for seed in range(6)]
    for one in found:
        torch.testing.assert_close(one.sum(1), torch.ones_like(one.sum(1)))
    spread = [float((one * torch.log(one.clamp_min(1e-9))).sum(1).mean()) for one in found]
    whole = torch.cat([1 - blurred.sum(1, keepdim=True), blurred], 1).clamp_min(subjects.LEAST_SHARE)
    assert np.mean(spread) > float((whole * torch.log(whole)).sum(1).mean())
