"""One way through a plan, for one thread at a time: a stream, a context, and memory on both sides."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.engines import TensorSpec
from edge.engines.tensorrt.library import Library, capturable, create_context
from edge.engines.tensorrt.memory import Block, Graph, Memory, Pinned
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN

Tensors = Mapping[str, NDArray[Any]]
Shapes = tuple[tuple[int, ...], ...]


class _Closable(Protocol):
    def close(self) -> None: ...


class Lane:
    """A stream, a context and buffers for the largest batch.

    The first run of a shape is queued piece by piece, the second is captured as a CUDA graph, which all later ones
    launch, until another shape comes: a context serves the graph of one shape at a time (TensorRT's developer guide,
    CUDA graphs).

    Parameters
    ----------
    library : Library
    memory : Memory
    engine : ICudaEngine
    inputs, outputs : sequence of TensorSpec
        Of the plan.
    largest : int
        The largest batch.

    Attributes
    ----------
    no_graph : str
        Why runs are not captured; empty where they are.

    Raises
    ------
    EngineError
        ``E501`` or ``E502``: there is not enough memory, or an output has no size that can be known.
    """

    def __init__(
        self,
        library: Library,
        memory: Memory,
        engine: Any,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        largest: int,
    ) -> None:
        self._library, self._inputs, self._outputs = library, inputs, outputs
        self.no_graph = "" if memory.reached.graphs else f"{memory.reached.adapter} captures none"
        self._graph: Graph | None = None
        self._shapes: Shapes = ()
        self._runs = 0
        self._buffers: dict[str, tuple[Block, Pinned]] = {}
        with ExitStack() as stack:
            self._stream = memory.stream()
            stack.callback(_close, self._stream)
            self._context = create_context(library.trt, engine)
            if self._context is None:
                raise EngineError(f"Opening {library.name}: {library.words()}.", ENGINE_OPEN)
            stack.callback(self._forget_context)
            self._allocate(memory, largest, stack)
            self._held = stack.pop_all()

    def run(self, feeds: Tensors) -> dict[str, NDArray[Any]]:
        """Return the outputs, in memory of their own."""
        shapes = tuple(feeds[item.name].shape for item in self._inputs)
        if shapes != self._shapes:
            self._drop_graph()
            self._set_shapes(shapes)
        for item in self._inputs:
            np.copyto(self._host(item, feeds[item.name].shape), feeds[item.name])
        try:
            self._execute()
            self._stream.synchronise()
        except EngineError:
            self._shapes = ()
            raise
        return {item.name: self._host(item, self._shape_of(item)).copy() for item in self._outputs}

    def close(self) -> None:
        """Free everything, also what a lost GPU refuses to free."""
        self._drop_graph()
        self._held.close()

    def _execute(self) -> None:
        """Queue the way there, the run and the way back, or launch the graph of them."""
        self._runs += 1
        if self._runs == 2 and not self.no_graph:  # the first run after a change of shape must not be captured
            self._capture()
        if self._graph is None:
            self._queue()
        else:
            self._graph.launch()

    def _capture(self) -> None:
        if not capturable(self._context, self._stream.handle):
            self.no_graph = "the library says that this model cannot be captured"
            return
        try:
            self._graph = self._stream.capture(self._queue)
        except EngineError as error:
            self.no_graph = error.message.rstrip(".")

    def _queue(self) -> None:
        for item in self._inputs:
            block, _ = self._buffers[item.name]
            self._stream.upload(block.address, self._host(item, self._shape_of(item)))
        if not self._context.execute_async_v3(self._stream.handle):
            words = self._library.words()
            self._stream.synchronise()  # says so if the GPU is gone
            raise EngineError(f"Running {self._library.name}: {words}.", ENGINE_RUN)
        for item in self._outputs:
            block, _ = self._buffers[item.name]
            self._stream.download(self._host(item, self._shape_of(item)), block.address)

    def _set_shapes(self, shapes: Shapes) -> None:
        self._shapes = ()  # until all are set: of a context that took a part of them, none is known
        for item, shape in zip(self._inputs, shapes, strict=True):
            if not self._context.set_input_shape(item.name, shape):
                raise EngineError(f"Running {self._library.name}: {self._library.words()}.", ENGINE_RUN)
        self._shapes, self._runs = shapes, 0

    def _shape_of(self, item: TensorSpec) -> tuple[int, ...]:
        return tuple(self._context.get_tensor_shape(item.name))

    def _host(self, item: TensorSpec, shape: Sequence[int]) -> NDArray[Any]:
        """The part of the pinned buffer that a tensor of this shape takes."""
        size = prod(shape) * np.dtype(item.dtype).itemsize
        return self._buffers[item.name][1].values[:size].view(item.dtype).reshape(shape)

    def _allocate(self, memory: Memory, largest: int, stack: ExitStack) -> None:
        self._set_shapes(tuple(tuple(largest if size == -1 else size for size in item.shape) for item in self._inputs))
        for item in (*self._inputs, *self._outputs):
            shape = self._shape_of(item)
            if -1 in shape:
                found = f"the size of the output {item.name!r} depends on the values"
                raise EngineError(f"Opening {self._library.name}: {found}.", ENGINE_OPEN)
            size = max(prod(shape) * np.dtype(item.dtype).itemsize, 1)
            block = memory.allocate(size)
            stack.callback(_close, block)
            pinned = memory.pin(size)
            stack.callback(_close, pinned)
            self._buffers[item.name] = (block, pinned)
            if not self._context.set_tensor_address(item.name, block.address):
                raise EngineError(f"Opening {self._library.name}: {self._library.words()}.", ENGINE_OPEN)
        self._shapes = ()

    def _drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            _close(graph)

    def _forget_context(self) -> None:
        self._context = None


def _close(held: _Closable) -> None:
    """Free one thing; that the GPU is gone keeps no other from being freed."""
    with contextlib.suppress(EngineError):
        held.close()
