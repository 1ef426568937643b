"""Whether a pack is whole, safe, and right on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.device import usable_cores
from edge.engines import Engine, EngineFacts, available_engines, open_engine, open_prepared
from edge.errors import EngineError, PackError
from edge.models import check_names
from edge.pack.golden import GoldenResult, run_golden
from edge.pack.manifest import Model
from edge.pack.onnx_file import OnnxFacts
from edge.pack.store import Pack
from edge.prepare import bind_steps
from edge.reasons import ENGINE_NOT_PREPARED, GOLDEN_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What was found of one model that is whole and safe.

    Parameters
    ----------
    engines : tuple of str
        Those that it may run on.
    engine : EngineFacts, optional
        What ran the golden cases; None where no engine for this model is installed here.
    golden : tuple of GoldenResult
    """

    precision: str
    file: str
    verdict: str
    engines: tuple[str, ...]
    onnx: OnnxFacts
    engine: EngineFacts | None
    golden: tuple[GoldenResult, ...]


def check_pack(pack: Pack) -> tuple[ModelCheck, ...]:
    """Check every file's hash, every model's safety, every step's options, and the golden cases on each engine here.

    Raises
    ------
    PackError
        ``P401`` to ``P409``: the first thing that is wrong.
    EngineError
        ``E501``, ``E502``: an engine cannot run a model.
    """
    for index, item in enumerate(pack.manifest.inputs):
        bind_steps(item, f"$.inputs[{index}]")
    for case in pack.manifest.golden:
        for role, name in case.scans.items():
            pack.read(name, case.sha256[role])
    if pack.manifest.card is not None:
        pack.read(pack.manifest.card.file, pack.manifest.card.sha256)
    checked = []
    for model in pack.manifest.models:
        data, facts = pack.read_model(model)
        known = ModelCheck(
            precision=model.precision,
            file=model.file,
            verdict=model.verdict,
            engines=model.engines,
            onnx=facts,
            engine=None,
            golden=(),
        )
        engines = [name for name in available_engines() if name in model.engines]
        ran = [_run(pack, model, data, name) for name in engines]
        checked += [replace(known, engine=engine, golden=golden) for engine, golden in ran] or [known]
    return tuple(checked)


def _opened(name: str, data: bytes, model: Model) -> Engine:
    """The engine; one that must be prepared first is, which may take minutes."""
    try:
        return open_engine(name, data, precision=model.precision, threads=usable_cores())
    except EngineError as error:
        if error.reason is not ENGINE_NOT_PREPARED:
            raise
    return open_prepared(name, data, precision=model.precision, threads=usable_cores())


def _run(pack: Pack, model: Model, data: bytes, name: str) -> tuple[EngineFacts, tuple[GoldenResult, ...]]:
    engine = _opened(name, data, model)
    try:
        check_names(pack, engine)
        results = run_golden(pack, model, engine)
    finally:
        engine.close()
    wrong = [f"{r.name} by {r.largest_difference:.4f}, allowed {r.tolerance:.4f}" for r in results if not r.passed]
    if wrong:
        raise PackError(f"Running {model.file} on {name}: {'; '.join(wrong)}.", GOLDEN_FAILED)
    return engine.facts, results
