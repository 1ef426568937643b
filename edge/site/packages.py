"""What evaluating needs beside the runtime: statistics come from well-kept libraries, which a clinic's box may lack."""

from __future__ import annotations

import importlib.util

from edge.errors import UsageError

NEEDED = {"scipy": "scipy", "sklearn": "scikit-learn"}
"""Name of the package by the module that it brings."""


def need_statistics(doing: str) -> None:
    """Refuse to begin where the statistics are missing.

    Parameters
    ----------
    doing : str
        Such as ``Evaluating``.

    Raises
    ------
    UsageError
        With what to install, with and without a network.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"{doing}: {' and '.join(missing)} not installed. With a network: pip install 'edgerun[evaluate]'. "
            f"Without one, on a machine with a network and the same Python and processor: "
            f"pip download --dest wheels {' '.join(NEEDED.values())}; carry the folder here, then: "
            f"pip install --no-index --find-links wheels {' '.join(NEEDED.values())}"
        )
