"""`edgerun infer`: examine scans."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from edge.cli.pairs import confirmed_in, labels_in, scans_in
from edge.errors import UsageError

OUT = Path("edgerun-results")


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
        False, "--identified", help="Let report and FHIR name the patient, as pages and DICOM objects always do."
    ),
    explain: Optional[str] = typer.Option(
        None, metavar="WAY", help="Where scores come from: map (test the pack's own map) or occlusion. It takes longer."
    ),
) -> None:
    """Examine scans with a model pack: a report and a picture for each study."""
    from edge.cli.console import Console
    from edge.explain.told import way_of
    from edge.options import Options
    from edge.pipeline import Request, run
    from edge.roles import absolute
    from edge.wanted import Wanted, language_of, views_of
    from edge.write import WRITERS
    from edge.write.register import register_kept

    confirmed, named = confirmed_in(confirm or []), scans_in(scan or [])
    if not paths and not named:
        raise UsageError("Looking for scans: found no path; give files or folders, or --scan ROLE=PATH.")
    named += labels_in(labels or [], named)
    request = Request(
        paths=(*(paths or ()), *(path for _, path in named)),
        out=out,
        pack=pack,
        options=Options(
            engine=engine,
            precision=precision,
            confirmed=confirmed,
            roles=absolute(named),
            wanted=Wanted(
                views=views_of(write or [], profile, tuple(WRITERS)),
                language=language_of(language),
                identified=identified,
            ),
            explain=way_of(explain),
        ),
        allow_slower=allow_slower,
    )
    wanted = request.options.wanted
    with Console(json=json, out=out, language=wanted.language) as console, register_kept(out, wanted) as keep:
        for report in run(request, console, context.obj):
            console.show(report)
            keep(report)
    raise typer.Exit(console.tally.exit_code)
