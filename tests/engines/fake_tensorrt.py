"""TensorRT as its Python interface shows it, over a fake GPU: it runs one model, that of `edge.testing.tiny_model`.

`fake_tensorrt` gives it in the makes and versions that differ. Like the real one it takes addresses, queues its work on
the stream that it is given, and fails by returning nothing and logging why.
"""

from __future__ import annotations

import enum
import json
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.engines.fake_gpu import FakeMemory, array_at

STEPS = 4


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING


class IProgressMonitor:
    pass


DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT8", "INT32", "INT64", "BOOL", "UINT8", "BF16"])
TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])
Strategy = enum.Enum("Strategy", ["LAZY", "EAGER", "NONE"])


@dataclass
class State:
    """What a test sets and reads."""

    memory: FakeMemory
    contexts: int = 0
    engines: int = 0
    builds: int = 0
    runs: int = 0
    flags: set[str] = field(default_factory=set)
    network_flags: int = -1
    workspace_bytes: int | None = None
    timing_given: list[bytes] = field(default_factory=list)
    strategies: list[Any] = field(default_factory=list)
    execute_fails: str = ""
    load_fails: str = ""
    context_fails: bool = False
    shape_fails: bool = False
    not_capturable: bool = False
    output_dtype: Any = DataType.FLOAT
    output_shape: tuple[int, ...] = (-1, 1)
    host_tensors: bool = False
    stale_timing: bool = False


def fake_tensorrt(memory: FakeMemory, *, make: str = "10.3") -> Any:
    """Return the module: ``10.3``, ``11.4`` or ``rtx``; its state is in ``state``."""
    module, state = types.ModuleType("tensorrt"), State(memory=memory)
    flags = {"10.3": ["TF32", "FP16"], "11.4": ["TF32", "STRICT_NANS"], "rtx": ["TF32", "STRICT_NANS"]}[make]
    kinds = [] if make == "11.4" else [("STRONGLY_TYPED", 1)]
    vars(module).update(
        state=state,
        __version__={"10.3": "10.3.0", "11.4": "11.4.1", "rtx": "1.7.1"}[make],
        ILogger=ILogger,
        IProgressMonitor=IProgressMonitor,
        DataType=DataType,
        TensorIOMode=TensorIOMode,
        TensorLocation=TensorLocation,
        BuilderFlag=enum.Enum("BuilderFlag", flags),
        NetworkDefinitionCreationFlag=enum.IntEnum("NetworkDefinitionCreationFlag", kinds),
        MemoryPoolType=enum.Enum("MemoryPoolType", ["WORKSPACE"]),
        IBuilderConfig=Config,
        Builder=lambda logger: Builder(state, logger),
        OnnxParser=Parser,
        Runtime=lambda logger: Runtime(state, logger, make),
    )
    if make == "rtx":
        vars(module).update(DynamicShapesKernelSpecializationStrategy=Strategy)
    return module


# Building -------------------------------------------------------------------------------------------------------------


class Tensor:
    is_shape_tensor = False

    def __init__(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape


class Network:
    num_inputs = num_outputs = 0

    def __init__(self, state: State) -> None:
        self._state = state
        self.model = b""

    def get_input(self, index: int) -> Tensor:
        assert index == 0
        return Tensor("image", DataType.FLOAT, (-1, 1, 4, 4))

    def get_output(self, index: int) -> Tensor:
        assert index == 0
        return Tensor("scores", self._state.output_dtype, self._state.output_shape)


class Parser:
    num_errors = 0

    def __init__(self, network: Network, logger: Any) -> None:
        self._network, self._logger = network, logger

    def parse(self, model: bytes) -> bool:
        if b"scores" not in model:
            self._logger.log(Severity.ERROR, "ModelImporter: no model\nmore")
            return False
        self._network.num_inputs = self._network.num_outputs = 1
        self._network.model = model
        return True


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, least: Any, usual: Any, largest: Any) -> None:
        self.shapes[name] = (least, usual, largest)


class TimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> bytes:
        return self._data + b"+"


class Config:
    progress_monitor: Any = None

    def __init__(self, state: State) -> None:
        self._state = state
        self.profile = Profile()

    def set_flag(self, flag: Any) -> None:
        self._state.flags.add(flag.name)

    def clear_flag(self, flag: Any) -> None:
        self._state.flags.discard(flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        assert pool.name == "WORKSPACE"
        self._state.workspace_bytes = size

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profile = profile
        return 0

    def create_timing_cache(self, data: bytes) -> TimingCache:
        self._state.timing_given.append(data)
        return TimingCache(data)

    def set_timing_cache(self, cache: TimingCache, *, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        return not (self._state.stale_timing and cache.serialize() != b"+")


class Builder:
    def __init__(self, state: State, logger: Any) -> None:
        self._state, self._logger = state, logger

    def create_network(self, flags: int) -> Network:
        self._state.network_flags = flags
        return Network(self._state)

    def create_builder_config(self) -> Config:
        self._state.flags.add("TF32")  # on by default
        return Config(self._state)

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        self._state.builds += 1
        monitor = config.progress_monitor
        monitor.phase_start("Building", None, STEPS)
        for step in range(STEPS):
            if not monitor.step_complete("Building", step):
                self._logger.log(Severity.ERROR, "Error Code 7: canceled")
                return None
        monitor.phase_finish("Building")
        return b"PLAN" + json.dumps(config.profile.shapes).encode() + b"\n" + network.model


# Running --------------------------------------------------------------------------------------------------------------


class Runtime:
    def __init__(self, state: State, logger: Any, make: str) -> None:
        self._state, self._logger, self._make = state, logger, make

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        if self._state.load_fails:
            self._logger.log(Severity.ERROR, self._state.load_fails)
            return None
        assert plan.startswith(b"PLAN")
        shapes = json.loads(plan[4:].partition(b"\n")[0])
        return (RtxEngine if self._make == "rtx" else Engine)(self._state, self._logger, shapes)


class Engine:
    num_io_tensors = 2

    def __init__(self, state: State, logger: Any, shapes: dict[str, Any]) -> None:
        self.state, self.logger, self._shapes = state, logger, shapes
        state.engines += 1

    def __del__(self) -> None:
        self.state.engines -= 1

    def get_tensor_name(self, index: int) -> str:
        return ("image", "scores")[index]

    def get_tensor_mode(self, name: str) -> Any:
        return TensorIOMode["INPUT" if name == "image" else "OUTPUT"]

    def get_tensor_dtype(self, name: str) -> Any:
        return DataType["FLOAT"] if name == "image" else self.state.output_dtype

    def get_tensor_location(self, name: str) -> Any:
        return TensorLocation["HOST" if self.state.host_tensors and name == "scores" else "DEVICE"]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 1, 4, 4) if name == "image" else self.state.output_shape

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0
        return [tuple(shape) for shape in self._shapes[name]]

    def create_execution_context(self) -> Context | None:
        if self.state.context_fails:
            self.logger.log(Severity.ERROR, "OutOfMemory (Requested size was 1 bytes)")
            return None
        return Context(self)


class RuntimeConfig:
    dynamic_shapes_kernel_specialization_strategy: Any = Strategy["LAZY"]


class RtxEngine(Engine):
    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig()

    def create_execution_context(self, config: RuntimeConfig | None = None) -> Context | None:
        if config is not None:
            self.state.strategies.append(config.dynamic_shapes_kernel_specialization_strategy)
        return RtxContext(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._state = engine, engine.state
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] = (-1, 1, 4, 4)
        self._state.contexts += 1

    def __del__(self) -> None:
        self._state.contexts -= 1

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "image"
        least, _, largest = self._engine.get_tensor_profile_shape(name, 0)
        if not all(low <= size <= high for low, size, high in zip(least, shape, largest, strict=True)):
            self._engine.logger.log(Severity.ERROR, "set dimension is outside of the profile")
            return False
        self._shape = tuple(shape)
        return not self._state.shape_fails

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name == "image":
            return self._shape
        return tuple(self._shape[0] if axis == 0 else size for axis, size in enumerate(self._state.output_shape))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if self._state.execute_fails or self._state.memory.lost:
            self._engine.logger.log(Severity.ERROR, self._state.execute_fails or "Cuda Runtime (cudaError 999)")
            return False
        shape, addresses = self._shape, dict(self._addresses)  # as they are when it is queued

        def run() -> None:
            self._state.runs += 1
            image = array_at(addresses["image"], shape, "float32")
            scores = 20 * (image.mean(axis=(1, 2, 3), dtype=np.float64)[:, np.newaxis] - 0.5)
            array_at(addresses["scores"], (shape[0], 1), "float32")[:] = scores

        self._state.memory.streams[stream].add(run)
        return True


class RtxContext(Context):
    def is_stream_capturable(self, stream: int) -> bool:
        assert stream in self._state.memory.streams
        return not self._state.not_capturable
