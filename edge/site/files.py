"""An evaluation on the disk: the truth and its view, beside the results that it is of."""

from __future__ import annotations

from pathlib import Path

from edge.site.evaluation import Evaluation, to_json
from edge.site.page import page
from edge.write.files import make_folder, write_whole

TRUTH, PAGE = "evaluation.json", "evaluation.html"


def write_evaluation(folder: Path, found: Evaluation) -> Path:
    """Write the evaluation and its page to a folder, and return where the page is.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    make_folder(folder)
    write_whole(folder / TRUTH, to_json(found, indent=1).encode() + b"\n")
    write_whole(folder / PAGE, page(found).encode())
    return folder / PAGE
