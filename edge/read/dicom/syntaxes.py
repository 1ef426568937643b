"""Which transfer syntaxes can be decoded, and by what: the literal table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from edge.errors import ReadError
from edge.reasons import UNSUPPORTED_COMPRESSION

Codec = Literal["native", "rle", "jpeg", "jpeg-ls", "jpeg-2000", "htj2k"]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class Syntax:
    """How the pixels of one transfer syntax are coded.

    Parameters
    ----------
    name : str
        As in PS3.6 Annex A.
    codec : {"native", "rle", "jpeg", "jpeg-ls", "jpeg-2000", "htj2k"}
    lossy : bool
        Whether the syntax is one that always, or normally, loses information.
    """

    name: str
    codec: Codec
    lossy: bool = False


SYNTAXES: Mapping[str, Syntax] = MappingProxyType({
    IMPLICIT_LITTLE: Syntax("Implicit VR Little Endian", "native"),
    EXPLICIT_LITTLE: Syntax("Explicit VR Little Endian", "native"),
    DEFLATED: Syntax("Deflated Explicit VR Little Endian", "native"),
    EXPLICIT_BIG: Syntax("Explicit VR Big Endian", "native"),
    "1.2.840.10008.1.2.5": Syntax("RLE Lossless", "rle"),
    "1.2.840.10008.1.2.4.50": Syntax("JPEG Baseline (Process 1)", "jpeg", lossy=True),
    "1.2.840.10008.1.2.4.51": Syntax("JPEG Extended (Process 2 and 4)", "jpeg", lossy=True),
    "1.2.840.10008.1.2.4.57": Syntax("JPEG Lossless (Process 14)", "jpeg"),
    "1.2.840.10008.1.2.4.70": Syntax("JPEG Lossless (Process 14, Selection Value 1)", "jpeg"),
    "1.2.840.10008.1.2.4.80": Syntax("JPEG-LS Lossless", "jpeg-ls"),
    "1.2.840.10008.1.2.4.81": Syntax("JPEG-LS Near-Lossless", "jpeg-ls", lossy=True),
    "1.2.840.10008.1.2.4.90": Syntax("JPEG 2000 Lossless", "jpeg-2000"),
    "1.2.840.10008.1.2.4.91": Syntax("JPEG 2000", "jpeg-2000", lossy=True),
    "1.2.840.10008.1.2.4.201": Syntax("High-Throughput JPEG 2000 Lossless", "htj2k"),
    "1.2.840.10008.1.2.4.202": Syntax("High-Throughput JPEG 2000 with RPCL Lossless", "htj2k"),
    "1.2.840.10008.1.2.4.203": Syntax("High-Throughput JPEG 2000", "htj2k", lossy=True),
})  # fmt: skip


def syntax_of(uid: str) -> Syntax:
    """Return the row of a transfer syntax.

    Raises
    ------
    ReadError
        There is none (``UNSUPPORTED_COMPRESSION``): video, private and retired syntaxes.
    """
    if uid not in SYNTAXES:
        shown = uid if len(uid) <= 64 and set(uid) <= set("0123456789.") else "something that is no UID"
        raise ReadError(
            f"Reading (0002,0010) Transfer Syntax UID: found {shown}, expected one of the {len(SYNTAXES)} that edgerun "
            "decodes.",
            UNSUPPORTED_COMPRESSION,
        )
    return SYNTAXES[uid]
