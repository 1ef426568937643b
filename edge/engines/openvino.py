"""OpenVINO on the CPU."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge.engines import EngineFacts, TensorSpec, check_feeds
from edge.engines.kept import Artefact, keep_if_faster, kept
from edge.engines.signal_stack import keeping_signal_stack
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN
from edge.typed import dump, parse

CONVERTER = "openvino.tools.ovc"
"""OpenVINO's converter of models: it reports its use over the network, and loading it doubles the time to import."""


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """While this lasts, the module cannot be imported; OpenVINO itself does without its converter."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # how Python spells it (reference, 5.3.1)
    try:
        yield
    finally:
        del sys.modules[module]


with _without(CONVERTER):
    import openvino as ov
    from openvino.frontend import FrontEndManager

DEVICE = "CPU"
LONGEST_MESSAGE = 300
FRAMES = ("Exception from ", "Check '", "FrontEnd API failed with ", "Caught exception: ")
"""How lines of its messages begin that say where in its source code, not what."""

DTYPES: Mapping[str, str] = {
    "f32": "float32",
    "f16": "float16",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "boolean": "bool",
}
"""OpenVINO's words for the tensors that numpy can hold."""


class OpenVinoEngine:
    """A compiled model on the CPU plugin; fulfils `edge.engines.Engine`.

    What it computes differs from ONNX Runtime in ways that no option changes: 64-bit integers and floats are computed
    in 32 bits, and a Gather that points beyond its data gives 0 where ONNX Runtime fails.

    A model can end the process inside OpenVINO, where no exception is left to catch (2026.4.1 did so on a DenseNet-121
    that onnxruntime had quantised): whoever chooses an engine by trying it must do so in a process of its own.

    Where `prepare` kept the compiled model, that is loaded in place of the ONNX.

    Raises
    ------
    EngineError
        ``E501``.

    Notes
    -----
    The batch stays free. Fixing it to 1 saves 0 to 1% on ResNet-50, DenseNet-121 and a 3-D U-Net, and a second
    compilation for other batches would cost hundreds of milliseconds.
    """

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        try:
            core = ov.Core()
            with keeping_signal_stack():
                found = _imported(core, model, precision, threads) or _compile(core, model, threads)
            self._compiled, self.inputs, self.outputs = found
            self._request = self._compiled.create_infer_request()
            self.facts = _facts(core, self._compiled, precision)
        except EngineError:
            raise
        except Exception as error:  # its errors have no common base but Exception
            raise EngineError(f"Opening {_name()}: {_words(error)}", ENGINE_OPEN) from error

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`."""
        if self._request is None:
            raise EngineError(f"Running {_name()}: it is closed.", ENGINE_RUN)
        check_feeds(feeds, self.inputs, _name())
        try:
            self._request.start_async({index: feeds[item.name] for index, item in enumerate(self.inputs)})
            self._request.wait()  # not infer(): with one thread, 2025.4 to 2026.4 lose its errors and give old outputs
            values = [self._request.get_output_tensor(index).data.copy() for index in range(len(self.outputs))]
        except Exception as error:  # its errors have no common base but Exception
            self._request = self._compiled.create_infer_request()  # one that failed may fail for ever (2024.6)
            raise EngineError(f"Running {_name()}: {_words(error)}", ENGINE_RUN) from error
        return {item.name: value for item, value in zip(self.outputs, values, strict=True)}

    def close(self) -> None:
        """Drop the compiled model."""
        self._request = self._compiled = None


Loaded = tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""A compiled model, its inputs and its outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a compiled model does not tell as the graph did: it stands in one line before what is kept of it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def prepare(model: bytes, *, name: str, precision: str, threads: int) -> None:
    """Keep the model as OpenVINO compiles it for this processor, if opening is faster with it.

    Raises
    ------
    EngineError
        ``E501``.
    """

    def make() -> bytes:
        with keeping_signal_stack():
            compiled, inputs, outputs = _compile(ov.Core(), model, threads)
        blob = io.BytesIO()
        compiled.export_model(blob)
        return json.dumps(dump(Ports(inputs=inputs, outputs=outputs))).encode() + b"\n" + blob.getvalue()

    def opened() -> OpenVinoEngine:
        return OpenVinoEngine(model, precision=precision, threads=threads)

    keep_if_faster(_blob(model, precision, threads, name), make, opened)


def _blob(model: bytes, precision: str, threads: int, name: str = "openvino") -> Artefact:
    settings = {option: str(value) for option, value in _options(threads).items()}
    return Artefact(
        kind="openvino-blob", engine=name, version=ov.get_version(), model=model, precision=precision, settings=settings
    )


def _imported(core: Any, model: bytes, precision: str, threads: int) -> Loaded | None:
    """The model as it was compiled before; None where none was kept or it does not load, which is no reason to fail."""
    payload = kept(_blob(model, precision, threads))
    if payload is None:
        return None
    head, _, blob = payload.partition(b"\n")
    try:
        ports = parse(Ports, json.loads(head))
        return core.import_model(io.BytesIO(blob), DEVICE, _options(threads)), ports.inputs, ports.outputs
    except Exception:  # noqa: BLE001 -- its errors have no common base; the model itself is compiled instead
        return None


def _compile(core: Any, model: bytes, threads: int) -> Loaded:
    graph, inputs, outputs = _read(model)
    return core.compile_model(graph, DEVICE, _options(threads)), inputs, outputs


def _read(model: bytes) -> tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Read as ONNX, whatever else the bytes may look like; the names are the graph's, which compiling may change."""
    reader = FrontEndManager().load_by_framework("onnx")
    found = reader.load(io.BytesIO(model))
    inputs, outputs = _names(found.get_inputs()), _names(found.get_outputs())
    if not outputs:
        raise EngineError(f"Opening {_name()}: found a graph without outputs.", ENGINE_OPEN)
    graph = reader.convert(found)
    return graph, _specs(inputs, graph.inputs), _specs(outputs, graph.outputs)


def _names(places: Sequence[Any]) -> list[str]:
    return [place.get_names()[0] for place in places]


def _specs(names: Sequence[str], ports: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(name, port) for name, port in zip(names, ports, strict=True))


def _options(threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY",  # its default quantises some activations while it runs
        "INFERENCE_PRECISION_HINT": "f32",  # its default is bf16 or f16 on a CPU that has it
        "ENABLE_CPU_PINNING": False,  # pinned, the threads of several processes meet on the same cores
    }


def _facts(core: Any, compiled: Any, precision: str) -> EngineFacts:
    """Read back what was granted, which need not be what was asked for."""
    full_name = core.get_property(DEVICE, "FULL_DEVICE_NAME").strip()
    floats = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return EngineFacts(
        name="openvino",
        version=_version(),
        provider=f"{','.join(compiled.get_property('EXECUTION_DEVICES'))} ({full_name}), floating point in {floats}",
        precision=precision,
        threads=compiled.get_property("INFERENCE_NUM_THREADS"),
    )


def _spec(name: str, port: Any) -> TensorSpec:
    kind, shape = port.element_type.get_type_name(), port.partial_shape
    if kind not in DTYPES:
        found = f"the input or output {name!r} is {kind}, expected a tensor of numbers"
        raise EngineError(f"Opening {_name()}: {found}.", ENGINE_OPEN)
    sizes = tuple(size.get_length() if size.is_static else -1 for size in shape) if shape.rank.is_static else ()
    return TensorSpec(name=name, dtype=DTYPES[kind], shape=sizes)


def _version() -> str:
    """The release, without the build: ``2026.4.1`` of ``2026.4.1-22982-e213a147257-releases/2026/4``."""
    return str(ov.get_version()).partition("-")[0]


def _name() -> str:
    return f"openvino {_version()}"


def _words(error: Exception) -> str:
    """What a message says, in one line, without its trail through the source code."""
    lines = [line for line in str(error).splitlines() if not line.startswith(FRAMES)]
    return textwrap.shorten(" ".join(lines), LONGEST_MESSAGE) or type(error).__name__
