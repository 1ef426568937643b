"""Results as DICOM objects, made in a process of their own: a result and what it found -> `Subject` -> datasets.

The headers of the sources are read again there (`edge.objects.sources`), so that the process that commands a run never
parses what came from elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from edge.table import Entry

if TYPE_CHECKING:
    from edge.objects.process import ObjectMaker

NEEDS = ("pydicom", "highdicom")
EXTRA = "objects"

OBJECTS: Mapping[str, Entry] = {
    "sr": Entry("edge.objects.sr:build", needs=NEEDS, extra=EXTRA),
    "seg": Entry("edge.objects.seg:build", needs=NEEDS, extra=EXTRA),
    "sc": Entry("edge.objects.sc:build", needs=NEEDS, extra=EXTRA),
    "gsps": Entry("edge.objects.gsps:build", needs=NEEDS, extra=EXTRA),
    "pdf": Entry("edge.objects.pdf:build", needs=NEEDS, extra=EXTRA),
}
"""By name of the view; each is a function of a `edge.objects.subject.Subject` that returns datasets."""


@contextlib.contextmanager
def objects_apart(views: Sequence[str]) -> Iterator[None]:
    """Keep a process that makes DICOM objects for the length of a run in which such a view is wanted."""
    if not set(views) & set(OBJECTS):
        yield
        return
    maker: ObjectMaker = Entry("edge.objects.process:MAKER").load()  # type: ignore[assignment]
    maker.start()
    try:
        yield
    finally:
        maker.close()
