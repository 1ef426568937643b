"""OpenVINO: on the CPU, and on an Intel GPU, on which it has never run."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from edge.engines import EngineFacts, Progress, TensorSpec, check_feeds
from edge.engines.kept import Artefact, keep_if_faster, kept
from edge.engines.signal_stack import keeping_signal_stack
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, GPU_LOST
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

LONGEST_MESSAGE = 300
DRIVER = (
    "It needs Intel's compute driver (Debian and Ubuntu: intel-opencl-icd) and a user who may use /dev/dri (render)."
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What of OpenVINO computes: its name in `edge.engines.ENGINES`, and OpenVINO's own for the kind of device."""

    engine: str
    device: str


CPU = Plugin(engine="openvino", device="CPU")
GPU = Plugin(engine="openvino-gpu", device="GPU")
PLUGINS: Mapping[str, Plugin] = {plugin.engine: plugin for plugin in (CPU, GPU)}


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

    plugin: ClassVar[Plugin] = CPU

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        wanted = _Wanted(plugin=self.plugin, precision=precision, threads=threads)
        try:
            core = ov.Core()
            if self.plugin is GPU:
                _check_gpu(core)
            with keeping_signal_stack():
                found = _imported(core, model, wanted) or _compile(core, model, wanted)
            self._compiled, self.inputs, self.outputs = found
            self._request = self._compiled.create_infer_request()
            self.facts = _facts(core, self._compiled, wanted)
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


class OpenVinoGpuEngine(OpenVinoEngine):
    """The same on the first Intel GPU; its driver compiles the kernels.

    Raises
    ------
    EngineError
        ``E501``; ``E504``: OpenVINO finds no GPU.
    """

    plugin = GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """How a model is to be loaded."""

    plugin: Plugin
    precision: str
    threads: int


Loaded = tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""A compiled model, its inputs and its outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a compiled model does not tell as the graph did: it stands in one line before what is kept of it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def prepare(model: bytes, *, name: str, precision: str, threads: int, progress: Progress | None = None) -> None:
    """Keep the model as OpenVINO compiles it for this processor or GPU, if opening is faster; `progress` hears nothing.

    Raises
    ------
    EngineError
        ``E501``; ``E504``: it is for a GPU and OpenVINO finds none.
    """
    _ = progress
    wanted = _Wanted(plugin=PLUGINS[name], precision=precision, threads=threads)
    opener = {CPU: OpenVinoEngine, GPU: OpenVinoGpuEngine}[wanted.plugin]
    core = ov.Core()
    if wanted.plugin is GPU:
        _check_gpu(core)

    def make() -> bytes:
        with keeping_signal_stack():
            compiled, inputs, outputs = _compile(ov.Core(), model, wanted)
        blob = io.BytesIO()
        compiled.export_model(blob)
        return json.dumps(dump(Ports(inputs=inputs, outputs=outputs))).encode() + b"\n" + blob.getvalue()

    def opened() -> OpenVinoEngine:
        return opener(model, precision=precision, threads=threads)

    keep_if_faster(_blob(core, model, wanted), make, opened)


def _blob(core: Any, model: bytes, wanted: _Wanted) -> Artefact:
    settings = {option: str(value) for option, value in _options(wanted).items()}
    if wanted.plugin is GPU:  # of the CPU the artefact itself tells
        settings["device"] = _device_name(core, wanted.plugin)
    return Artefact(
        kind="openvino-blob",
        engine=wanted.plugin.engine,
        version=ov.get_version(),
        model=model,
        precision=wanted.precision,
        settings=settings,
    )


def _imported(core: Any, model: bytes, wanted: _Wanted) -> Loaded | None:
    """The model as it was compiled before; None where none was kept or it does not load, which is no reason to fail."""
    payload = kept(_blob(core, model, wanted))
    if payload is None:
        return None
    head, _, blob = payload.partition(b"\n")
    try:
        ports = parse(Ports, json.loads(head))
        device, options = wanted.plugin.device, _options(wanted)
        return core.import_model(io.BytesIO(blob), device, options), ports.inputs, ports.outputs
    except Exception:  # noqa: BLE001 -- its errors have no common base; the model itself is compiled instead
        return None


def _compile(core: Any, model: bytes, wanted: _Wanted) -> Loaded:
    graph, inputs, outputs = _read(model)
    return core.compile_model(graph, wanted.plugin.device, _options(wanted)), inputs, outputs


def _check_gpu(core: Any) -> None:
    """Refuse a GPU that OpenVINO does not find, though the system shows one."""
    devices = core.available_devices
    if not any(name.partition(".")[0] == GPU.device for name in devices):
        found = f"OpenVINO finds {', '.join(devices) or 'no device'}, expected {GPU.device}"
        raise EngineError(f"Opening {GPU.engine} {_version()}: {found}. {DRIVER}", GPU_LOST)


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


def _options(wanted: _Wanted) -> dict[str, Any]:
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY",  # its default quantises some activations while it runs
        "INFERENCE_PRECISION_HINT": "f32",  # its default is bf16 or f16 on a CPU that has it, and f16 on a GPU
    }
    if wanted.plugin is GPU:
        return options
    options["INFERENCE_NUM_THREADS"] = wanted.threads
    options["ENABLE_CPU_PINNING"] = False  # pinned, the threads of several processes meet on the same cores
    return options


def _facts(core: Any, compiled: Any, wanted: _Wanted) -> EngineFacts:
    """Read back what was granted, which need not be what was asked for."""
    full_name = _device_name(core, wanted.plugin)
    floats = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return EngineFacts(
        name=wanted.plugin.engine,
        version=_version(),
        provider=f"{','.join(compiled.get_property('EXECUTION_DEVICES'))} ({full_name}), floating point in {floats}",
        precision=wanted.precision,
        threads=wanted.threads if wanted.plugin is GPU else compiled.get_property("INFERENCE_NUM_THREADS"),
    )


def _device_name(core: Any, plugin: Plugin) -> str:
    return str(core.get_property(plugin.device, "FULL_DEVICE_NAME")).strip()


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
