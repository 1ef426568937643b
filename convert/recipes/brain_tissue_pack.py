"""The pack ``brain-tissue``: the made-up subjects that it is built and judged with, and its example file."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from convert.describe import parse_description
from convert.labels import LabelledSet
from convert.measure import Candidate, Progress, measure
from convert.radiograph import IMPLEMENTATION, uid_of
from convert.recipes.brain_subjects import LABELS, Maps, Sight, Subject, load_maps, synthesise
from convert.recipes.brain_tissue import HELD_OUT, NAME, SIGHT
from convert.recipes.contract import recipe_description
from convert.road import Road, Sets, Ways, travel
from convert.verdicts import verdict_lines
from edge.errors import UsageError
from edge.geometry import Grid, resample
from edge.pack.manifest import Manifest
from edge.pack.store import open_pack
from edge.scan import Scan
from edge.write.files import make_folder, mapped, write_whole
from edge.write.nifti import nifti

Stored = NDArray[np.uint8] | NDArray[np.uint16]

CREDIT = (
    "ICBM 152 nonlinear 2009a. Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre, Montreal"
    " Neurological Institute, McGill University."
)
CALIBRATE, TUNE, EVALUATE = (HELD_OUT + offset for offset in (1000, 2000, 3000))
"""First seeds of the subjects; those from `HELD_OUT` on are checked after a training."""
SEEN_MM = (184.0, 220.0, 184.0)
STRENGTH = 1.5
"""Of the deformations of subjects that judge: half as strong again as of those that were learnt from."""
EXAMPLE = "brain-t1-icbm152.nii.gz"
EXAMPLE_MM, GOLDEN_MM = 2.0, 3.0
MOST_STEPS = 2
WORDS = "{} made-up subjects of the same anatomy, held out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many made-up subjects calibrate, tune the search for INT8, and judge."""

    calibrate: int = 4
    tune: int = 4
    evaluate: int = 40


def write_scans(data: Path, folder: Path, progress: Progress, counts: Counts = Counts()) -> Sets:
    """Write made-up subjects as a maker would have them: DICOM files, a mask for each tissue, and two tables.

    Parameters
    ----------
    data : Path
        The wheel of nilearn, ``nilearn-*.whl``.
    folder : Path
        Must be empty or not there.
    counts : Counts

    Returns
    -------
    Sets
        For `convert.road.travel`. The golden case is the template, whose voxels no network learnt from.

    Raises
    ------
    UsageError
        The folder holds something.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"Writing scans to {folder}: it is not empty. Choose another folder.")
    maps = load_maps(data)
    golden = folder / "icbm152-t1.dcm"
    with mapped(folder):
        make_folder(folder)
        _write_calibration(maps, folder / "calibrate", counts.calibrate, progress)
        write_whole(golden, enhanced_mr(*smaller(maps.template, GOLDEN_MM), golden.stem))
        tune = _write_labelled(maps, folder / "tune", range(TUNE, TUNE + counts.tune), progress)
        evaluate = _write_labelled(maps, folder / "evaluate", range(EVALUATE, EVALUATE + counts.evaluate), progress)
    return Sets(
        calibrate=folder / "calibrate",
        tune=tune,
        evaluate=evaluate,
        tune_words=WORDS.format(counts.tune),
        evaluate_words=WORDS.format(counts.evaluate),
        golden=(golden,),
    )


def build_pack(data: Path, folder: Path, examples: Path, weights: Path | None, progress: Progress) -> None:
    """Take the recipe's own road: export, candidates, verdicts; write pack and example, and tell of the template.

    Parameters
    ----------
    data : Path
        The wheel of nilearn, ``nilearn-*.whl``.
    folder : Path
        Of the pack; what is there is replaced. Its reports go beside it, where `travel` puts them.
    examples : Path
        Folder for the template at 2 mm as NIfTI.
    weights : Path, optional
        safetensors file; the recipe's own by default.
    progress : callable
        Told what is being done, the verdicts, and the Dice on the template.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sets = write_scans(data, Path(scratch) / "scans", progress)
        road = Road(
            model=NAME,
            weights=weights,
            description=parse_description(recipe_description(NAME).encode(), NAME),
            sets=sets,
            out=Path(scratch) / "out",
            ways=Ways(precisions=("fp32", "int8"), max_steps=MOST_STEPS),
            pack=folder,
        )
        conversion = travel(road, progress)
    for line in verdict_lines(conversion):
        progress(line)
    for name, figures in dice_on_template(data, folder, progress).items():
        told = ", ".join(f"{label} {figure:.3f}" for label, figure in figures.items())
        progress(
            f"{name}, Dice on the template at 1 mm, whose anatomy was learnt from and whose voxels were not: {told}"
        )
    make_folder(examples)
    write_whole(examples / EXAMPLE, nifti(*smaller(load_maps(data).template, EXAMPLE_MM), CREDIT))


def dice_on_template(data: Path, pack: Path, progress: Progress) -> Mapping[str, Mapping[str, float]]:
    """Return the Dice of each tissue on the real template at 1 mm, by the name of each of the pack's candidates.

    The template is a real scan, if an average of 152, and no network saw its voxels. The truth is the tissue with the
    largest share in the maps that every made-up subject was deformed from: this tests the contrast, not the anatomy.
    """
    with tempfile.TemporaryDirectory() as scratch:
        maps = load_maps(data)
        path = Path(scratch) / "template.dcm"
        write_whole(path, enhanced_mr(stored(maps.template), maps.template.grid, "icbm152-t1"))
        masks = _write_masks(Subject(scan=maps.template, truth=maps.truth), Path(scratch), "template")
        scans = LabelledSet(paths=(path,), masks={label: (mask,) for label, mask in masks.items()})
        manifest = open_pack(pack).manifest
        measured = measure(scans, manifest, _candidates(manifest, pack), progress)
    return {
        name: {label: float(overlaps.dice[0]) for label, overlaps in one.overlaps.items()}
        for name, one in measured.items()
    }


def held_out_sight(seed: int) -> Sight:
    """Return how a subject that judges is seen: at a spacing of its own, and more strongly deformed."""
    drawn = np.random.default_rng(seed).uniform(size=2).tolist()
    across = round(1.25 + 0.75 * drawn[0], 3)
    spacing = (round(1.25 + 1.75 * drawn[1], 3), across, across)
    z, y, x = (round(seen / step) for seen, step in zip(SEEN_MM, spacing, strict=True))
    return Sight(shape=(z, y, x), spacing_mm=spacing, strength=STRENGTH)


def smaller(scan: Scan, spacing_mm: float) -> tuple[NDArray[np.uint8], Grid]:
    """Return a scan of 8 bits on coarser voxels, linear between its own."""
    z, y, x = (round(count * step / spacing_mm) for count, step in zip(scan.grid.shape, scan.grid.steps, strict=True))
    grid = scan.grid.resized((z, y, x))
    return np.rint(resample(scan.voxels, scan.grid, grid)).astype(np.uint8), grid


def stored(scan: Scan) -> NDArray[np.uint16]:
    """Return voxels of at least 0 as a scanner would store them, in 12 bits."""
    return np.rint(scan.voxels * (4095 / max(float(scan.voxels.max()), 1e-6))).astype(np.uint16)


def enhanced_mr(voxels: Stored, grid: Grid, name: str) -> bytes:
    """Return a volume as an Enhanced MR Image (PS3.3 A.36), a whole DICOM file with one frame for each slice.

    Parameters
    ----------
    voxels : ndarray of uint8 or uint16, shape (z, y, x)
    grid : Grid
        In patient space.
    name : str
        Which subject it is; stands for the patient, who does not exist.
    """
    dataset = Dataset()
    _describe_subject(dataset, name)
    _describe_pixels(dataset, voxels)
    _describe_place(dataset, grid)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    buffer = io.BytesIO()
    FileDataset(buffer, dataset, file_meta=meta, preamble=b"\0" * 128).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _describe_subject(dataset: Dataset, name: str) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = uid_of(NAME, name, "image")
    dataset.StudyInstanceUID = uid_of(NAME, name, "study")
    dataset.SeriesInstanceUID = uid_of(NAME, name, "series")
    dataset.FrameOfReferenceUID = uid_of(NAME, name, "frame")
    dataset.PatientName = f"BrainTissue^{name}"
    dataset.PatientID = f"BRAIN-TISSUE-{name.upper()}"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Made from maps of an average anatomy"
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    dataset.StudyID = dataset.SeriesNumber = dataset.InstanceNumber = "1"
    dataset.AccessionNumber = dataset.Manufacturer = dataset.PositionReferenceIndicator = ""
    dataset.Modality = "MR"
    dataset.BodyPartExamined = "BRAIN"
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    dataset.ImageComments = CREDIT


def _describe_pixels(dataset: Dataset, voxels: Stored) -> None:
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = voxels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * voxels.dtype.itemsize
    dataset.BitsStored = min(dataset.BitsAllocated, 12)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.BurnedInAnnotation = "NO"
    raw = np.ascontiguousarray(voxels).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB" if voxels.dtype == np.uint8 else "OW"


def _describe_place(dataset: Dataset, grid: Grid) -> None:
    """Functional groups: orientation and spacing are shared, each frame has its position (PS3.3 C.7.6.16)."""
    matrix = grid.matrix
    along_z, along_y, along_x = (matrix[:3, axis] / step for axis, step in enumerate(grid.steps))
    thickness, between_rows, between_columns = grid.steps
    measures = _item(SliceThickness=_decimals([thickness])[0], PixelSpacing=_decimals([between_rows, between_columns]))
    orientation = _item(ImageOrientationPatient=_decimals([*along_x, *along_y]))
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [_item(PixelMeasuresSequence=Sequence([measures]), PlaneOrientationSequence=Sequence([orientation]))]
    )
    places = (_decimals(matrix[:3, 3] + z * thickness * along_z) for z in range(grid.shape[0]))
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [_item(PlanePositionSequence=Sequence([_item(ImagePositionPatient=place)])) for place in places]
    )


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _decimals(values: list[float] | NDArray[np.float64]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]


def _write_calibration(maps: Maps, folder: Path, count: int, progress: Progress) -> None:
    make_folder(folder)
    for index in range(count):
        name = f"calibrate-{index}"
        scan = synthesise(maps, SIGHT, CALIBRATE + index).scan
        write_whole(folder / f"{name}.dcm", enhanced_mr(stored(scan), scan.grid, name))
        progress.count(index + 1, count, "subjects that calibrate")


def _write_labelled(maps: Maps, folder: Path, seeds: range, progress: Progress) -> Path:
    """Scans, masks, and the table that names them; return the table."""
    make_folder(folder)
    table = folder / "table.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *LABELS])
        for number, seed in enumerate(seeds, start=1):
            name = f"{folder.name}-{number:02}"
            subject = synthesise(maps, held_out_sight(seed), seed)
            write_whole(folder / f"{name}.dcm", enhanced_mr(stored(subject.scan), subject.scan.grid, name))
            masks = _write_masks(subject, folder, name)
            writer.writerow([f"{name}.dcm", *(masks[label].name for label in LABELS)])
            progress.count(number, len(seeds), f"subjects in {folder.name}")
    return table


def _write_masks(subject: Subject, folder: Path, name: str) -> dict[str, Path]:
    masks = {label: folder / f"{name}-{label}.nii.gz" for label in LABELS}
    for code, path in enumerate(masks.values(), start=1):
        mask = (subject.truth == code).astype(np.uint8)
        write_whole(path, nifti(mask, subject.scan.grid, "made-up truth"))
    return masks


def _candidates(manifest: Manifest, pack: Path) -> list[Candidate]:
    """What the pack holds, the reference first."""
    return [
        Candidate(precision=model.precision, engine=engine, file=model.file, onnx=(pack / model.file).read_bytes())
        for model in manifest.models
        for engine in model.engines
    ]
