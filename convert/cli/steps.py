"""The steps of `edgerun-convert build`, each a command of its own: export, optimise, quantise, gate, assemble."""

from __future__ import annotations

from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Any, Optional

import typer

from convert.cli import console
from edge.cli.pairs import confirmed_in
from edge.errors import ExitCode, UsageError

ONNX = typer.Argument(..., help="An ONNX file.")
OUT = typer.Option(..., help="The ONNX file to write.")
JSON = typer.Option(False, "--json", help=console.JSON)


def export(
    model: str = typer.Argument(..., help=console.MODEL),
    out: Path = OUT,
    weights: Optional[Path] = typer.Option(None, help=console.WEIGHTS),
    shape: Optional[list[str]] = typer.Option(None, metavar="INPUT=SIZES", help="Sizes, as image=1x3x224x224."),
    add_map: Optional[str] = typer.Option(
        None, "--map", metavar="OUTPUT", help="Add the class activation map of this output as the output 'cam'."
    ),
    json: bool = JSON,
) -> None:
    """Write a model as one checked ONNX file, compared with its source on seeded inputs."""
    from convert.cam import insert_cam
    from convert.sources import load_source

    say = console.Console()
    say(f"loading {model}")
    source = load_source(model, weights=weights, example_shapes=console.shapes_of(shape or []))
    onnx = insert_cam(source.onnx, add_map) if add_map else source.onnx
    for note in source.notes:
        say(note)
    _written(out, onnx, {"origin": source.origin, "notes": list(source.notes)}, say, json=json)


def optimise(model: Path = ONNX, out: Path = OUT, json: bool = JSON) -> None:
    """Fold constants and normalisations, and name every node: the graph that quantise works on."""
    from convert.optimise import optimise as optimised

    say = console.Console()
    before = console.read_file(model)
    after = optimised(before)
    _written(out, after, {"nodes": [_count(before), _count(after)]}, say, json=json)


def quantise(
    model: Path = ONNX,
    out: Path = OUT,
    describe: Optional[Path] = typer.Option(None, help="The pack's description; INT8 needs it to prepare scans."),
    calibrate: Optional[Path] = typer.Option(None, help="Scans that show INT8 the range of values."),
    precision: str = typer.Option("int8", help="int8 or fp16."),
    method: str = typer.Option("minmax", help=console.METHOD),
    keep_float: Optional[list[str]] = typer.Option(None, metavar="NODE", help="A layer that stays in float."),
    confirm: Optional[list[str]] = typer.Option(None, metavar="NAME=VALUE", help=console.CONFIRM),
    engine: str = typer.Option("onnxruntime", help="Whose INT8 it is: onnxruntime, openvino or tensorrt."),
    json: bool = JSON,
) -> None:
    """Write a model in INT8 (calibrated with scans that are prepared as for an examination) or in FP16."""
    from convert.candidates import LOWERED
    from convert.familiar import familiar_nodes
    from convert.half import to_fp16
    from convert.road import Sets

    say = console.Console()
    onnx = console.read_model(model)
    if precision == "fp16":
        _written(out, to_fp16(onnx, keep_float=familiar_nodes(onnx)), {}, say, json=json)
        return
    if engine not in LOWERED:
        raise UsageError(f"Reading --engine {engine!r}: expected one of {', '.join(LOWERED)}.")
    if precision != "int8":
        raise UsageError(f"Reading --precision {precision!r}: expected int8 or fp16.")
    if describe is None or calibrate is None:
        raise UsageError("Quantising to INT8: --describe and --calibrate are needed to prepare scans.")
    sets = Sets(calibrate=calibrate, confirmed=confirmed_in(confirm or []))
    made, layers = _int8(onnx, describe, sets, console.method_of(method), keep_float or [], say)
    _written(out, LOWERED[engine](made), {"layers": layers}, say, json=json)


def _int8(
    onnx: bytes, describe: Path, sets: Any, method: Any, keep_float: list[str], say: console.Console
) -> tuple[bytes, list[dict[str, Any]]]:
    """The Q/DQ model, and what it does to each layer, the worst first."""
    from convert.describe import check_fits, read_description
    from convert.familiar import familiar_nodes
    from convert.measure import feeds_of
    from convert.quantise import calibrate as calibrated
    from convert.quantise import head_nodes
    from convert.quantise import quantise as quantised
    from convert.road import Ways, plan_of
    from convert.search import layer_errors
    from edge.pack.tasks import outputs_of

    description = read_description(describe)
    check_fits(description, onnx)
    untrained = replace(description, status="architecture-only")  # nothing is judged here
    plan = plan_of(untrained, onnx, sets, Ways())
    say(f"calibrating with {len(plan.calibrate)} scans ({method})")
    calibration = calibrated(onnx, feeds_of(plan.calibrate, plan.draft, plan.confirmed), method=method)
    head = (*head_nodes(onnx, outputs_of(plan.draft.task)), *familiar_nodes(onnx))
    made = quantised(calibration, keep_float=[*head, *keep_float])
    errors = layer_errors(calibration.model, made, feeds_of(plan.calibrate[:32], plan.draft, plan.confirmed))
    for error in errors[:10]:
        say(f"{error.snr_db:7.1f} dB  {error.operator} {error.node}")
    return made, [{"node": e.node, "operator": e.operator, "snr_db": _finite(e.snr_db)} for e in errors]


def gate(
    model: Path = typer.Argument(..., help="The FP32 model, ONNX: the reference."),
    out: Path = typer.Option(..., help="The conversion report to write, JSON."),
    describe: Path = typer.Option(..., help=console.DESCRIBE),
    evaluate: Path = typer.Option(..., help=console.EVALUATE),
    tune: Optional[Path] = typer.Option(None, help=console.TUNE),
    confirm: Optional[list[str]] = typer.Option(None, metavar="NAME=VALUE", help=console.CONFIRM),
    candidate: Optional[list[str]] = typer.Option(None, metavar="PRECISION=FILE", help="A model to judge."),
    json: bool = JSON,
) -> None:
    """Judge models on labelled scans on every engine here. Ends with 7 where a candidate is rejected."""
    from convert.build import build
    from convert.describe import check_fits, read_description
    from convert.road import Sets, Ways, plan_of, told
    from convert.verdicts import verdict_lines
    from edge.typed import dump
    from edge.write.files import write_whole

    say = console.Console()
    description, onnx = read_description(describe), console.read_model(model)
    if description.status != "trained":
        raise UsageError(f"Judging {description.name}: found the status {description.status!r}, expected 'trained'.")
    check_fits(description, onnx)
    given = {name: console.read_file(path) for name, path in console.files_of(candidate or [], "--candidate").items()}
    sets = Sets(evaluate=evaluate, tune=tune, confirmed=confirmed_in(confirm or []))
    ways = Ways(precisions=("fp32",))
    built = build(plan_of(description, onnx, sets, ways, given), say)
    conversion = told(description, built, f"the ONNX file {model.name}", ())
    for line in verdict_lines(conversion):
        say(line)
    text = dumps(dump(conversion), ensure_ascii=False, indent=1)
    write_whole(out, text.encode() + b"\n")
    if json:
        print(text)
    verdicts = [item.judgement.verdict for item in conversion.candidates if item.judgement is not None]
    if "rejected" in verdicts:
        raise typer.Exit(ExitCode.REFUSED)


def assemble(
    report: Path = typer.Argument(..., help="What gate wrote."),
    out: Path = typer.Option(..., help="The pack, the reports and the model card go below this folder."),
    describe: Path = typer.Option(..., help=console.DESCRIBE),
    model: list[Path] = typer.Option(..., help="A model that was judged; which one it is, its hash tells."),
    golden: Optional[list[Path]] = typer.Option(None, help="A scan that may travel with the pack, as a known answer."),
    json: bool = JSON,
) -> None:
    """Write the pack of what passed the gate, with its evidence, report and model card."""
    from convert.assemble import sha256_of
    from convert.describe import read_description
    from convert.lock import locked
    from convert.outputs import Place, read_conversion
    from convert.outputs import assemble as assembled

    say = console.Console()
    description, conversion = read_description(describe), read_conversion(report)
    given = {path: console.read_file(path) for path in model}
    by_hash = {sha256_of(data): data for data in given.values()}
    files = {item.file: by_hash[item.sha256] for item in conversion.candidates if item.sha256 in by_hash}
    judged = {item.sha256 for item in conversion.candidates}
    if strangers := [path for path, data in given.items() if sha256_of(data) not in judged]:
        raise UsageError(f"Assembling {description.name}: {strangers[0]} is none of the models that {report} judged.")
    if absent := sorted({item.file for item in conversion.candidates} - set(files)):
        raise UsageError(f"Assembling {description.name}: the model of {absent[0]} is missing; give it with --model.")
    if conversion.pack.name != description.name or conversion.pack.version != description.version:
        found = f"{conversion.pack.name} {conversion.pack.version}"
        raise UsageError(f"Assembling {description.name} {description.version}: {report} is about {found}. Judge it.")
    place = Place(out=out, pack=out / description.name)
    with locked(out, f"assembling {description.name}"):
        assembled(description, conversion, files, golden or [], place, say)
    if json:
        print(dumps({"pack": str(out / description.name)}))


def _written(out: Path, onnx: bytes, document: dict[str, Any], say: console.Console, *, json: bool) -> None:
    from convert.assemble import sha256_of
    from edge.write.files import write_whole

    write_whole(out, onnx)
    say(f"{out}: {len(onnx) / 1e6:.2f} MB")
    if json:
        print(dumps({"file": str(out), "sha256": sha256_of(onnx), "bytes": len(onnx), **document}))


def _count(onnx: bytes) -> int:
    import onnx as library

    return len(library.load_from_string(onnx).graph.node)


def _finite(value: float) -> float | None:
    return value if abs(value) != float("inf") else None
