"""Golden cases: scans that travel with a pack, and what each of its models says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.datadict import tag_for_keyword

from convert.assemble import sha256_of
from convert.cases import Case, read_cases
from convert.document import CandidateTold
from convert.labels import LabelledSet
from convert.measure import Candidate, Measured, Progress, measure
from edge.errors import UsageError
from edge.pack.manifest import Expected, Golden, Manifest, Precision
from edge.read.dicom import DicomReader
from edge.read.dicom.boundary import quiet
from edge.read.dicom.parse import parse_file

TOLERANCES: Mapping[Precision, float] = {"fp32": 0.001, "fp16": 0.005, "int8": 0.02}
"""Of scores between machines: kernels add up in different orders, and INT8 rounds what they add."""

LARGEST_TOLERANCE = 0.1
"""That a manifest may have."""

PERSONAL = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "AccessionNumber",
)
REMOVED = "PatientIdentityRemoved"
HEAD_BYTES = 4096


def golden_of(
    paths: Sequence[Path],
    manifest: Manifest,
    candidates: Sequence[CandidateTold],
    files: Mapping[str, bytes],
    progress: Progress,
) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """Return golden cases for scans that the pack may ship, and the files for the pack.

    Parameters
    ----------
    paths : sequence of Path
        One file for each case; of a pack with several inputs, tables with a column for each and a row for each case.
    manifest : Manifest
        With the models that the pack will have.
    candidates : sequence of CandidateTold
        Those that the pack keeps.
    files : mapping
        By name: the bytes of their models.

    Raises
    ------
    UsageError
        A file is not there or says who the patient is, two have one name, the pack refuses a scan, or a model that the
        pack keeps fails on one or gives quite another answer on another engine.
    edge.errors.ReadError
        A file cannot be read.
    """
    if not paths:
        return (), {}
    chosen = _cases(paths, manifest)
    for path in dict.fromkeys(path for case in chosen for path in case):
        check_anonymous(path)
    if len({_name(case[0]) for case in chosen}) < len(chosen):
        raise UsageError("Choosing golden cases: two files have the same name, expected a name of its own for each.")
    progress(f"running {len(chosen)} golden cases on {', '.join(item.name for item in candidates)}")
    kept = [
        Candidate(precision=item.precision, engine=item.engine, file=item.file, onnx=files[item.file])
        for item in candidates
    ]
    own = {item.name: item.thresholds for item in candidates}
    trained = replace(manifest, status="trained")  # an untrained pack proves its plumbing here, which is no report
    measured = measure(LabelledSet.of(chosen), trained, kept, progress, thresholds=own)
    for name, each in measured.items():
        if each.problem:
            raise UsageError(f"Running the golden cases on {name}: {each.problem} Choose other cases.")
    files_of = [_files(case, manifest) for case in chosen]
    contents = _contents(files_of, chosen)
    cases = [
        Golden(
            name=_name(case[0]),
            scans=of_inputs,
            sha256={name: sha256_of(contents[file]) for name, file in of_inputs.items()},
            expect=_expected(kept, measured, index),
        )
        for index, (case, of_inputs) in enumerate(zip(chosen, files_of, strict=True))
    ]
    return tuple(cases), contents


def _cases(paths: Sequence[Path], manifest: Manifest) -> list[Case]:
    if len(manifest.inputs) == 1:
        return [(path,) for path in paths]
    return [case for path in paths for case in read_cases(path, manifest.inputs)]


def _contents(files_of: Sequence[Mapping[str, str]], cases: Sequence[Case]) -> dict[str, bytes]:
    """By name in the pack: each case's files."""
    return {
        file: path.read_bytes()
        for of_inputs, case in zip(files_of, cases, strict=True)
        for file, path in zip(of_inputs.values(), case, strict=True)
    }


def _files(case: Case, manifest: Manifest) -> dict[str, str]:
    """By input: what its file is called in the pack."""
    names = [item.name for item in manifest.inputs]
    endings = [""] if len(names) == 1 else [f"-{name}" for name in names]
    return {
        name: f"golden/{_name(case[0])}{ending}{path.suffix.lower()}"
        for name, ending, path in zip(names, endings, case, strict=True)
    }


def check_anonymous(path: Path) -> None:
    """Refuse a DICOM file that says who the patient is: it would travel with the pack.

    (0012,0062) Patient Identity Removed counts as the word of whoever set it (PS3.15 annex E); what is burned into
    pixels, nobody sees here.

    Raises
    ------
    UsageError
        It does, or it is not there.
    edge.errors.ReadError
        Its header is damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UsageError(f"Choosing the golden case {path}: {error.strerror}.") from error
    if not DicomReader().recognises(head, str(path)):
        return
    tags = [tag for keyword in (*PERSONAL, REMOVED) if (tag := tag_for_keyword(keyword)) is not None]
    with quiet():
        header = parse_file(str(path), tags).dataset
    if str(header.get(REMOVED, "")).upper() == "YES":
        return
    named = [keyword for keyword in PERSONAL if str(header.get(keyword) or "").strip()]
    if named:
        raise UsageError(
            f"Choosing the golden case {path}: found {', '.join(named)}, expected none, since the file travels with the"
            " pack. Make it anonymous, or set (0012,0062) Patient Identity Removed to YES where it is."
        )


def _name(path: Path) -> str:
    """A file's name in the form of a manifest's names."""
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "case"


def _expected(kept: Sequence[Candidate], measured: Mapping[str, Measured], index: int) -> dict[str, Expected]:
    """Of each precision, the middle of what the engines said; they may differ by twice as much elsewhere."""
    found: dict[str, Expected] = {}
    for precision in dict.fromkeys(item.precision for item in kept):
        sides = [measured[item.name].scores for item in kept if item.precision == precision]
        spread = {label: [float(side[label][index]) for side in sides] for label in sides[0]}
        widest = max(max(values) - min(values) for values in spread.values())
        if widest > LARGEST_TOLERANCE:
            raise UsageError(
                f"Choosing golden cases: case {index + 1} differs by {widest:.3f} between engines in {precision}, "
                f"expected at most {LARGEST_TOLERANCE}. Choose a case on which they agree."
            )
        found[precision] = Expected(
            scores={label: round((min(values) + max(values)) / 2, 6) for label, values in spread.items()},
            tolerance=round(min(max(TOLERANCES[precision], 2 * widest), LARGEST_TOLERANCE), 6),
        )
    return found
