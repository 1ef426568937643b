"""`edgerun infer`: examine scans."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from edge.cli.examine import OUT, Arguments, examine


def infer(
    context: typer.Context,
    paths: Optional[list[Path]] = typer.Argument(None, metavar="PATH", help="Scans: files, or folders of any depth."),
    scan: Optional[list[str]] = typer.Option(
        None, metavar="ROLE=PATH", help="A scan of the one patient for a pack that needs several, such as t1=a.nii.gz."
    ),
    labels: Optional[list[str]] = typer.Option(
        None, metavar="ROLE=PATH", help="Labels of the moving scan, to be registered with it: moving=labels.nii.gz."
    ),
    pack: Optional[str] = typer.Option(None, help="Model pack: an installed one's name, or a folder or .edgepack."),
    out: Path = typer.Option(OUT, help="Each study gets a folder in it."),
    json: bool = typer.Option(False, "--json", help="Print each report on stdout, one JSON document a line."),
    engine: Optional[str] = typer.Option(
        None, help="What runs the model; by default what `prepare` found, else the first that it is proven for."
    ),
    precision: str = typer.Option("auto", help="auto, fp32, fp16 or int8."),
    confirm: Optional[list[str]] = typer.Option(
        None,
        metavar="NAME=VALUE",
        help="Vouch for what the file does not tell: modality, body-part, view, laterality, age-years, unit, spacing, "
        "kvp, slice-thickness-mm, field-strength-tesla, contrast, presentation, lossy, burned-in.",
    ),
    allow_slower: bool = typer.Option(
        False, "--allow-slower", help="Run on another engine where the GPU that the pack was prepared for is gone."
    ),
    write: Optional[list[str]] = typer.Option(
        None, metavar="VIEWS", help="What to write beside the report, parted by commas, instead of the usual pictures."
    ),
    profile: Optional[str] = typer.Option(
        None, "--for", metavar="PLACE", help="Where the result goes: screen, pacs, old-pacs, paper, table or programs."
    ),
    language: str = typer.Option("en", help="Of words for people: en, fr, es, pt, sw, hi or ar."),
    identified: bool = typer.Option(
        False, "--identified", help="Let report, FHIR and register name the patient, as pages and DICOM objects do."
    ),
    explain: Optional[str] = typer.Option(
        None, metavar="WAY", help="Where scores come from: map (test the pack's own map) or occlusion. It takes longer."
    ),
    full_resolution: bool = typer.Option(
        False, "--full-resolution", help="Decode JPEG 2000 whole, also where the pack was measured to need less."
    ),
) -> None:
    """Examine scans with a model pack: a report and a picture for each study."""
    arguments = Arguments(
        paths=tuple(paths or ()),
        scan=tuple(scan or ()),
        labels=tuple(labels or ()),
        pack=pack,
        out=out,
        json=json,
        engine=engine,
        precision=precision,
        confirm=tuple(confirm or ()),
        allow_slower=allow_slower,
        write=tuple(write or ()),
        profile=profile,
        language=language,
        identified=identified,
        explain=explain,
        full_resolution=full_resolution,
    )
    raise typer.Exit(examine(arguments, context.obj))
