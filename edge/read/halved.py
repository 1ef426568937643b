"""A JPEG 2000 codestream -> the one of half, a quarter, an eighth of its sides that it holds, with nothing decoded.

The wavelet stores a picture as a small one and, level by level, the detail that doubles it (ISO/IEC 15444-1 annex F).
Where the packets of a level follow those of all smaller ones, a codestream whose header says that there are fewer
levels is one of the smaller picture, and what follows is left unread: annex B.12 for the order, A.5.1, A.6.1 and A.6.4
for the header. So any decoder can be had to decode less, with nothing but its usual checks. Every other codestream is
left as it is, and is decoded in full.

The pixel (k, l) of the smaller picture lies where the pixel (2^n k, 2^n l) of the whole one does: the filters are
symmetric around the samples of even index, so the first pixel stays and no half pixel is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge.geometry import Grid

START, TILE_PART, DATA = 0xFF4F, 0xFF90, 0xFF93
"""SOC, SOT and SOD, A.4.1 to A.4.3."""

SIZES, CAPABILITIES, CODING, QUANTISATION = 0xFF51, 0xFF50, 0xFF52, 0xFF5C
"""SIZ, CAP, COD and QCD: what a main header may hold here, each once. CAP stands for ISO/IEC 15444-15."""

DROPPED = frozenset({0xFF55, 0xFF57, 0xFF64})
"""TLM, PLM and COM: lengths that a decoder may do without, A.7.1 and A.7.2, and comments, A.9.2."""

HARMLESS = frozenset({0xFF58, 0xFF64})
"""PLT and COM: what the header of a tile-part may hold here, A.7.3 and A.9.2."""

LAYERS_FIRST, LEVELS_FIRST = 0, (1, 2)
"""LRCP, which has the levels in their order where there is one layer, and RLCP and RPCL, which always do: B.12.1."""

LARGEST_HEADER = 1 << 16
MOST_HEADERS = 1 << 20
"""Bytes that the headers of all tile-parts may have: more would only be looked through for long."""

MOST = 32
"""Levels of decomposition that a codestream may have, A.6.1."""

REVERSIBLE, DERIVED = 0, 1
"""Styles of quantisation, A.6.4: exponents alone; one step for all subbands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A main header whose levels can be left out.

    Parameters
    ----------
    segments : mapping
        By marker: the parameters of its segment, without length.
    end : int
        Where the first tile-part begins.
    levels : int
        Of decomposition.
    """

    segments: Mapping[int, bytes]
    end: int
    levels: int


def halvings(data: bytes) -> int:
    """Return how often the picture of a bare codestream can be halved by `halved`; 0 where it cannot.

    Parameters
    ----------
    data : bytes
        Untrusted; whatever is not understood is left alone.
    """
    try:
        header = _header(data)
        return 0 if header is None or not _tiles_are_plain(data, header.end) else _most(header)
    except (struct.error, IndexError):
        return 0


def halved(data: bytes, times: int) -> bytes:
    """Return the codestream of the picture with both sides halved so often, each rounded up.

    Parameters
    ----------
    times : int
        At most `halvings`.

    Raises
    ------
    ValueError
        It cannot be halved so often.
    """
    if not 0 <= times <= halvings(data):
        raise ValueError(f"Halving a codestream {times} times: found that {halvings(data)} are possible.")
    header = _header(data) if times else None
    if header is None:
        return data
    changed = {
        **header.segments,
        SIZES: _sizes(header.segments[SIZES], times),
        CODING: _coding(header.segments[CODING], times),
        QUANTISATION: _quantisation(header.segments[QUANTISATION], times),
    }
    main = b"".join(struct.pack(">HH", marker, len(body) + 2) + body for marker, body in changed.items())
    return struct.pack(">H", START) + main + data[header.end :]


def size_after(side: int, times: int) -> int:
    """Return the length of a side that was halved so often, rounded up each time (B.5).

    Examples
    --------
    >>> size_after(2022, 2), size_after(1, 5)
    (506, 1)
    """
    return -(-side // (1 << times))


def halved_grid(grid: Grid, times: int) -> Grid:
    """Return where the pixels of a picture lie that was halved so often: the first one stays, steps are 2^n as long.

    Examples
    --------
    >>> grid = halved_grid(Grid.of_picture(5, 8, spacing_mm=(0.25, 0.5)), 1)
    >>> grid.shape, grid.steps[1:], (grid.matrix @ [0, 2, 2, 1])[:2].tolist()
    ((1, 3, 4), (0.5, 1.0), [2.0, 1.0])
    """
    if times == 0:
        return grid
    nz, ny, nx = grid.shape
    step = float(1 << times)
    shape = (nz, size_after(ny, times), size_after(nx, times))
    return Grid.of(shape, grid.matrix @ np.diag([1.0, step, step, 1.0]), grid.space)


def times_for(shape: tuple[int, int], least_side: int, most: int) -> int:
    """Return how often a picture (rows, columns) is halved: as often as neither side gets shorter than `least_side`.

    Parameters
    ----------
    most : int
        How often it can be; see `halvings`.

    Examples
    --------
    >>> times_for((2048, 2500), 512, 5), times_for((1000, 4000), 512, 5), times_for((4096, 4096), 512, 1)
    (2, 0, 1)
    """
    fits = (times for times in range(most + 1) if size_after(min(shape), times) >= max(least_side, 1))
    return max(fits, default=0)


def is_halved(grid: Grid, stored: Grid, least_side: int) -> bool:
    """Return whether one grid is the other, halved once or more as a request with this `least_side` allows."""
    times = times_for(stored.shape[1:], least_side, MOST) if least_side > 0 else 0
    return any(grid == halved_grid(stored, each) for each in range(1, times + 1))


def _header(data: bytes) -> Header | None:
    """The main header; None where it has what nothing here understands."""
    if data[:4] != struct.pack(">HH", START, SIZES):
        return None
    segments: dict[int, bytes] = {}
    at = 2
    while at < LARGEST_HEADER:
        (marker,) = struct.unpack_from(">H", data, at)
        if marker == TILE_PART:
            return _understood(segments, at)
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker not in DROPPED:
            if marker in segments or marker not in (SIZES, CAPABILITIES, CODING, QUANTISATION):
                return None
            segments[marker] = data[at + 4 : at + 2 + length]
        at += 2 + length
    return None


def _understood(segments: Mapping[int, bytes], end: int) -> Header | None:
    if not {SIZES, CODING, QUANTISATION} <= segments.keys():
        return None
    order, layers, levels = _order_of(segments[CODING])
    ordered = order in LEVELS_FIRST or (order == LAYERS_FIRST and layers == 1)
    plain = _is_plain(segments[SIZES]) and _fits(segments, levels)
    return Header(segments=segments, end=end, levels=levels) if ordered and plain else None


def _order_of(coding: bytes) -> tuple[int, int, int]:
    """Progression order, layers and levels of decomposition, A.6.1."""
    order, layers, _, levels = struct.unpack_from(">BHBB", coding, 1)
    return order, layers, levels


def _is_plain(sizes: bytes) -> bool:
    """Whether picture and tiles begin at 0 and all components are alike, with a value for every pixel."""
    (samples,) = struct.unpack_from(">H", sizes, 34)
    begins = struct.unpack_from(">2L", sizes, 10) + struct.unpack_from(">2L", sizes, 26)
    return not any(begins) and sizes[36:] == (sizes[36:37] + b"\x01\x01") * samples


def _fits(segments: Mapping[int, bytes], levels: int) -> bool:
    """Whether precincts and steps are told for just these levels."""
    coding, steps = segments[CODING], segments[QUANTISATION]
    precincts = levels + 1 if coding[0] & 1 else 0
    style = steps[0] & 0x1F
    told = 2 if style == DERIVED else (3 * levels + 1) * (1 if style == REVERSIBLE else 2)
    return levels <= MOST and len(coding) == 10 + precincts and len(steps) == 1 + told


def _most(header: Header) -> int:
    """The levels that can be left out, so that every tile begins at a whole pixel."""
    columns, rows, *_ = struct.unpack_from(">2L", header.segments[SIZES], 2)
    across, down = struct.unpack_from(">2L", header.segments[SIZES], 18)
    sides = ((columns, across), (rows, down))
    return max(
        times
        for times in range(header.levels + 1)
        if all(tile >= side or tile % (1 << times) == 0 for side, tile in sides)
    )


def _tiles_are_plain(data: bytes, at: int) -> bool:
    """Whether no tile-part has a coding, a quantisation, an order or packet headers of its own."""
    seen = 0
    while struct.unpack_from(">H", data, at)[0] == TILE_PART:
        (length,) = struct.unpack_from(">L", data, at + 6)
        inner = at + 12
        while (marker := struct.unpack_from(">H", data, inner)[0]) != DATA:
            if marker not in HARMLESS or seen + inner - at > MOST_HEADERS:
                return False
            inner += 2 + struct.unpack_from(">H", data, inner + 2)[0]
        if length == 0:  # the last one, which reaches to the end
            return True
        seen += inner - at
        if length < inner + 2 - at or seen > MOST_HEADERS:
            return False
        at += length
    return True


def _sizes(body: bytes, times: int) -> bytes:
    changed = bytearray(body)
    for at in (2, 18):  # the picture; its tiles
        sides = (size_after(side, times) for side in struct.unpack_from(">2L", body, at))
        struct.pack_into(">2L", changed, at, *sides)
    return bytes(changed)


def _coding(body: bytes, times: int) -> bytes:
    """Fewer levels, and the precincts of those that are left, which are told from the smallest on."""
    levels = body[5] - times
    precincts = body[10 : 10 + levels + 1] if body[0] & 1 else b""
    return body[:5] + bytes([levels]) + body[6:10] + precincts


def _quantisation(body: bytes, times: int) -> bytes:
    """The steps of the subbands that are left, told from the smallest on; one that others are derived from stays."""
    style = body[0] & 0x1F
    each = 1 if style == REVERSIBLE else 2
    return body if style == DERIVED else body[: len(body) - 3 * times * each]
