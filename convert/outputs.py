"""What a conversion leaves behind: the pack, its report for people and for programs, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convert.assemble import sha256_of, write_pack
from convert.card import card_json, card_markdown
from convert.describe import Description, to_manifest
from convert.document import CandidateTold, Conversion
from convert.golden import golden_of
from convert.measure import Progress
from convert.report import render
from convert.stated import Stated
from edge.errors import UsageError
from edge.pack.manifest import Attached, Manifest, Model, Speed
from edge.typed import TypedError, dump, parse
from edge.write.files import make_folder, write_whole

REPORT, PAGE, CARD, CARD_JSON = "conversion.json", "conversion.html", "model-card.md", "model-card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where reports and pack are written."""

    out: Path
    pack: Path


def assemble(
    description: Description,
    conversion: Conversion,
    files: Mapping[str, bytes],
    golden: Sequence[Path],
    place: Place,
    progress: Progress,
) -> None:
    """Write the pack that a conversion came to, its report (JSON and HTML) and its model card.

    Parameters
    ----------
    files : mapping
        By name in the pack: the bytes of the models; those of rejected candidates are left out of the pack.

    Raises
    ------
    edge.errors.OutputError
        The disk is full or may not be written to; a pack that was there is still there.
    """
    kept = [item for item in conversion.candidates if item.judgement is None or item.judgement.verdict != "rejected"]
    evidence = tuple(figure for item in kept for figure in item.evidence)
    models = [_model(item, conversion) for item in kept]
    manifest = to_manifest(description, models, evidence=evidence)
    cases, contents = golden_of(golden, manifest, kept, files, progress)
    manifest = replace(manifest, golden=cases)
    card = card_markdown(conversion, manifest, description.card).encode()
    manifest = replace(manifest, card=Attached(file=CARD, sha256=sha256_of(card)))
    progress(f"writing {place.pack}")
    make_folder(place.out)
    models_kept = {item.file: files[item.file] for item in kept}
    write_pack(place.pack, manifest, {**models_kept, **contents, CARD: card})
    _write_reports(place.out, conversion, manifest, description.card)


def _write_reports(out: Path, conversion: Conversion, manifest: Manifest, stated: Stated) -> None:
    documents = {
        REPORT: json.dumps(dump(conversion), indent=1, ensure_ascii=False) + "\n",
        PAGE: render(conversion, manifest),
        CARD_JSON: json.dumps(card_json(conversion, manifest, stated), indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in documents.items():
        write_whole(out / name, text.encode())


def read_conversion(path: Path) -> Conversion:
    """Return the conversion report in a file, as `edgerun-convert gate` and `build` write it.

    Raises
    ------
    UsageError
        It cannot be read, or is none.
    """
    try:
        return parse(Conversion, json.loads(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"Reading {path}: {error.strerror}.") from error
    except (ValueError, TypedError) as error:
        raise UsageError(f"Reading {path}: {error}; expected what `edgerun-convert gate` writes.") from error


def _model(item: CandidateTold, conversion: Conversion) -> Model:
    verdict = "reference" if item.judgement is None else item.judgement.verdict
    measured = item.latency_ms > 0
    return Model(
        precision=item.precision,
        file=item.file,
        sha256=item.sha256,
        engines=(item.engine,),
        verdict=verdict,
        thresholds=item.thresholds,
        calibration=item.calibration,
        uncertain=item.uncertain,
        bytes=item.bytes,
        speed=Speed(latency_ms=item.latency_ms, machine=conversion.machine) if measured else None,
        familiar=item.familiar,
    )
