"""One step of a conversion, in the process that `benchmarks.conversion` starts for it and looks at."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from benchmarks.nets import LOWERING, export, manifest_of, to_int8
from convert.half import to_fp16


def run(net: str, step: str, folder: Path) -> None:
    """Read what the step before has written below `folder`, and write what this one makes.

    Parameters
    ----------
    step : str
        ``export``, ``int8`` or ``fp16``.
    """
    plain = folder / f"{net}.fp32.onnx"
    if step == "export":
        plain.write_bytes(export(net))
    elif step == "int8":
        signed = to_int8(plain.read_bytes(), manifest_of(net))
        (folder / f"{net}.int8.onnx").write_bytes(LOWERING["onnxruntime"](signed))
    else:
        (folder / f"{net}.fp16.onnx").write_bytes(to_fp16(plain.read_bytes()))


def main() -> None:
    """Run the step; print its seconds, after all imports, and the most kilobytes that the process has held."""
    net, step, folder = sys.argv[1:]
    started = time.perf_counter()
    run(net, step, Path(folder))
    # On Linux kilobytes, and at least what the parent held when it started this one, which is little.
    print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
