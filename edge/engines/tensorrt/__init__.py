"""TensorRT on an NVIDIA GPU: ONNX is built into a plan, the plan kept, and run.

::

    library              the two makes of TensorRT, and where their versions differ
    build                ONNX -> plan
    plans                what a plan is bound to, where it is kept: prepare, prepared
    memory               the GPU's memory behind one interface; memory_cuda_python and memory_pycuda are its adapters
    lane                 one way through a plan for one thread
    engine               a plan at work: TensorRtEngine, TensorRtRtxEngine

Importing it imports neither TensorRT nor CUDA.
"""

from edge.engines.tensorrt.engine import TensorRtEngine, TensorRtRtxEngine
from edge.engines.tensorrt.plans import prepare, prepared

__all__ = ["TensorRtEngine", "TensorRtRtxEngine", "prepare", "prepared"]
