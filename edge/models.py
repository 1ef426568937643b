"""The packs that may be used in a run, and their models, each loaded once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, get_args

from edge.device import usable_cores
from edge.engines import ENGINES, Engine, open_engine
from edge.errors import EngineError, PackError, UsageError
from edge.findings import Notice
from edge.pack.manifest import Model, Precision, tensor_shapes
from edge.pack.store import AUTO, Pack, find_pack, usable_packs
from edge.pack.tasks import outputs_of
from edge.prepare import bind_steps
from edge.ready.proven import proven_since
from edge.ready.rule import Plan, Say, Wish, is_settled, plan, without_gpu
from edge.ready.wrong import wrong_here
from edge.reasons import GPU_LOST, MODEL_MISMATCH
from edge.site.place import kept_for, with_site
from edge.table import lookup
from edge.tasks import load_task

if TYPE_CHECKING:
    from typing_extensions import Self

    from edge.site.named import SiteReport
    from edge.write.report import StudyReport


class Models:
    """A context manager; leaving it closes every engine.

    Parameters
    ----------
    pack : str, optional
        Name or path of the one pack to use; None: all that are installed and usable.
    engine : str, optional
    precision : str
        See `edge.pack.store.Pack.choose_model`.
    allow_slower : bool
        See `edge.ready.rule.Wish`.
    say : callable
        Hears, once for each pack, that it was prepared under other conditions than these.

    Raises
    ------
    edge.errors.PackError
        The named pack cannot be opened.
    edge.errors.UsageError
        There is no engine by that name.
    """

    def __init__(
        self,
        pack: str | None,
        engine: str | None,
        precision: str,
        *,
        allow_slower: bool = False,
        say: Say = lambda _: None,
    ) -> None:
        if precision not in (AUTO, *get_args(Precision)):
            expected = ", ".join((AUTO, *get_args(Precision)))
            raise UsageError(f"Choosing a precision: found {precision!r}, expected one of {expected}.")
        if engine is not None:
            lookup(ENGINES, engine, "engine")
        self.packs: tuple[Pack, ...] = usable_packs() if pack is None else (find_pack(pack),)
        self.named = pack is not None
        self._wish = Wish(engine=engine, precision=precision, allow_slower=allow_slower)
        self._say = say
        self._scans: int | None = None
        self._opened: dict[str, tuple[Plan, Engine]] = {}
        self._sites: dict[str, SiteReport | None] = {}
        self._wrong: dict[str, frozenset[tuple[str, str]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, engine in self._opened.values():
            engine.close()
        self._opened.clear()

    def expect(self, scans: int) -> None:
        """Hear how many scans the run has: the fastest engine for one need not be the fastest for many."""
        self._scans = scans

    def warm_up(self) -> None:
        """Load already, if there is only one pack that it can be, its model, its steps and its task.

        Where the engine depends on the number of scans, the model waits until that is known (`expect`).
        """
        if len(self.packs) == 1:
            (pack,) = self.packs
            if pack.sha256 in self._opened:
                return
            if self._scans is not None or is_settled(pack, self._wish):
                self.open(pack)
            load_task(pack.manifest)
            for index, item in enumerate(pack.manifest.inputs):
                bind_steps(item, f"$.inputs[{index}]")

    def open(self, pack: Pack) -> tuple[Model, Engine]:
        """Return the model chosen from the pack, with this site's thresholds, and the engine that has loaded it.

        Raises
        ------
        edge.errors.PackError
            ``P403`` to ``P407``, ``P414``.
        edge.errors.EngineError
            ``E500``, ``E501``, ``E504`` or ``E505``.
        """
        if pack.sha256 not in self._opened:
            kept = kept_for(pack)
            chosen = plan(pack, self._wish, self._scans or 1, self._say)
            try:
                engine = _opened(pack, chosen)
            except EngineError as error:
                if not (chosen.recorded and self._wish.allow_slower and error.reason is GPU_LOST):
                    raise
                chosen = without_gpu(pack, self._wish, chosen.engine)
                engine = _opened(pack, chosen)
            chosen, self._sites[pack.sha256] = with_site(kept, pack, chosen)
            self._opened[pack.sha256] = (chosen, engine)
        chosen, engine = self._opened[pack.sha256]
        return chosen.model, engine

    def notices(self, pack: Pack) -> tuple[Notice, ...]:
        """Return what every result from a pack that is open must say of the engine that runs it."""
        return self._opened[pack.sha256][0].notices

    def disown(self, report: StudyReport) -> bool:
        """Return whether a finished result is not to be kept.

        Its engine was since found to give wrong answers here, or to give the right ones, of which it warns that nobody
        had looked.
        """
        ran = [(item.pack.sha256, item.engine) for item in report.results if item.pack and item.engine]
        for sha256, _ in ran:
            if sha256 not in self._wrong:
                self._wrong[sha256] = wrong_here(sha256)
        wrong = any((engine.name, engine.precision) in self._wrong[sha256] for sha256, engine in ran)
        return wrong or proven_since(report)

    def site(self, pack: Pack) -> SiteReport | None:
        """Return what every result from a pack that is open must say of thresholds that were set at this site."""
        return self._sites[pack.sha256]


def _opened(pack: Pack, chosen: Plan) -> Engine:
    data, _ = pack.read_model(chosen.model)
    engine = open_engine(chosen.engine, data, precision=chosen.model.precision, threads=usable_cores())
    try:
        check_names(pack, engine)
    except PackError:
        engine.close()
        raise
    return engine


def check_names(pack: Pack, engine: Engine) -> None:
    """Refuse a graph whose inputs and outputs are not those of the manifest, before any scan is read.

    Inputs are compared by name and shape. A graph that leaves every axis free, or says nothing of them, takes any.

    Raises
    ------
    edge.errors.PackError
        ``P407``.
    """
    promised = set(outputs_of(pack.manifest.task))
    inputs = {item.tensor for item in pack.manifest.inputs}
    found_in, found_out = {item.name for item in engine.inputs}, {item.name for item in engine.outputs}
    if inputs != found_in or not promised <= found_out:
        found = f"inputs {', '.join(sorted(found_in))}; outputs {', '.join(sorted(found_out))}"
        expected = f"inputs {', '.join(sorted(inputs))}; outputs {', '.join(sorted(promised))}"
        raise PackError(f"Opening {pack.manifest.name}: found {found}; expected {expected}.", MODEL_MISMATCH)
    declared = {item.name: item for item in engine.inputs}
    axes = {item.tensor: item.axes for item in pack.manifest.inputs}
    for tensor, shape in tensor_shapes(pack.manifest.inputs).items():
        spec, expected_shape = declared[tensor], (1, *shape)  # one scan at a time
        if set(spec.shape) - {-1} and not spec.fits(expected_shape):
            found = f"the input {tensor} of shape {spec.shape}; expected {expected_shape}, {axes[tensor]}"
            raise PackError(f"Opening {pack.manifest.name}: found {found}.", MODEL_MISMATCH)
