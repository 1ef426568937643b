"""Where things stand on the canvas; a picture in its panel, with caption, sides and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.scan import Scan
from edge.words import kept_in_order, number, say, with_decimal_sign
from edge.write.canvas import (
    BLACK,
    GREEN,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    WHITE,
    YELLOW,
    Box,
    Colour,
    Pixels,
    fill,
    place,
    write,
)
from edge.write.planes import side_letters
from edge.write.view import View, which_slice

WIDTH, HEIGHT = 1024, 768
CAPTION = 32
LINE = 28
ROUND_MM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
LABEL_COLOURS: tuple[Colour, ...] = (ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION)
LETTER = 20
ROOM_FOR_LETTERS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The places of pictures and of the lines below them."""

    panels: tuple[Box, ...]
    lines: Box


TWO = Layout(
    panels=(Box(left=16, top=104, width=488, height=440), Box(left=520, top=104, width=488, height=440)),
    lines=Box(left=16, top=578, width=WIDTH - 32, height=112),
)
TWO_LISTED = Layout(
    panels=(Box(left=16, top=104, width=488, height=372), Box(left=520, top=104, width=488, height=372)),
    lines=Box(left=16, top=510, width=WIDTH - 32, height=180),
)
THREE = Layout(
    panels=tuple(Box(left=left, top=104, width=320, height=372) for left in (16, 352, 688)),
    lines=Box(left=16, top=510, width=WIDTH - 32, height=180),
)

TWICE_THREE = Layout(
    panels=tuple(Box(left=left, top=top, width=320, height=196) for top in (104, 332) for left in (16, 352, 688)),
    lines=Box(left=16, top=566, width=WIDTH - 32, height=124),
)


def write_caption(canvas: Pixels, panel: Box, text: str) -> None:
    """Write what a panel shows above it."""
    above = Box(left=panel.left, top=panel.top - CAPTION, width=panel.width, height=CAPTION)
    write(canvas, text, above, scale=0.55, colour=PALE)


def write_note(canvas: Pixels, panel: Box, text: str) -> None:
    """Write a remark below a panel."""
    below = Box(left=panel.left, top=panel.top + panel.height + 4, width=panel.width, height=24)
    write(canvas, text, below, scale=0.5, colour=PALE)


def show(canvas: Pixels, view: View, box: Box) -> None:
    """Draw a slice over the whole of `box`. What belongs on top of it comes before `write_sides`."""
    place(canvas, view.shrunk(box).pixels, box)


def write_sides(canvas: Pixels, view: View, box: Box) -> None:
    """Write which side of the patient lies at each edge, where it is known; beside a picture too small to hold it."""
    letters = side_letters(view.grid)
    if letters is None:
        return
    left, right, top, bottom = letters
    wide, high = box.width >= ROOM_FOR_LETTERS, box.height >= ROOM_FOR_LETTERS
    middle_y, middle_x = box.top + (box.height - LETTER) // 2, box.left + box.width // 2 - 6
    far = box.left + box.width
    end = box.top + box.height
    _letter(canvas, left, box.left + 4 if wide else box.left - 14 * len(left) - 4, middle_y)
    _letter(canvas, right, far - 14 * len(right) - 2 if wide else far + 4, middle_y)
    _letter(canvas, top, middle_x, box.top + 2 if high else box.top - LETTER - 2)
    _letter(canvas, bottom, middle_x, end - LETTER - 2 if high else end + 2)


def _letter(canvas: Pixels, letters: str, left: int, top: int) -> None:
    width = 14 * len(letters) + 4
    kept = Box(left=min(max(left, 0), WIDTH - width), top=top, width=width, height=LETTER)
    write(canvas, letters, kept, scale=0.6, colour=WHITE, outlined=True)


def draw_scale_bar(canvas: Pixels, view: View, box: Box, panel: Box, *, further: str = "") -> None:
    """Draw a bar of a round length, where the distance between pixels is known; words where there is none."""
    spacing = None if view.where is None else view.grid.pixel_spacing_mm
    mm_per_pixel = 0.0 if spacing is None else spacing[1] * view.pixels.shape[1] / box.width
    fitting = [n for n in ROUND_MM if spacing is not None and 1.0 <= n / mm_per_pixel <= box.width / 3]
    if view.where is None:
        words = say("No scale: the file does not say in which unit its lengths are.")
    elif spacing is None:
        words = say("No scale: the file does not give the size of a pixel.")
    elif not fitting:
        words = say("No scale: the picture is too small to draw a bar.")
    else:
        pixels = round(fitting[-1] / mm_per_pixel)
        bar = Box(left=box.left + 12, top=box.top + box.height - 14, width=pixels, height=5)
        fill(canvas, Box(left=bar.left - 1, top=bar.top - 1, width=bar.width + 2, height=bar.height + 2), BLACK)
        fill(canvas, bar, WHITE)
        length = with_decimal_sign(f"{fitting[-1]:g} mm")
        words = say("Bar: {length} {where}", length=length, where=say(view.where)) + further
    write_note(canvas, panel, words)


def in_one_scale(views: Sequence[View], panels: Sequence[Box]) -> tuple[Box, ...]:
    """Return where slices are drawn, each below the caption of its panel, all of them in one scale.

    Examples
    --------
    >>> import numpy as np
    >>> from edge.geometry import Grid
    >>> def blank(rows, columns):
    ...     return View(pixels=np.zeros((rows, columns, 3), np.uint8), grid=Grid.of_picture(rows, columns))
    >>> panels = [Box(left=0, top=0, width=90, height=90), Box(left=100, top=0, width=90, height=90)]
    >>> [(box.width, box.height) for box in in_one_scale([blank(30, 30), blank(10, 30)], panels)]
    [(90, 90), (90, 30)]
    """
    sizes = [view.size for view in views]
    scale = min(
        min(panel.height / height, panel.width / width) for (height, width), panel in zip(sizes, panels, strict=True)
    )
    boxes = []
    for (height, width), panel in zip(sizes, panels, strict=True):
        tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
        above = LETTER + 6 if tall < ROOM_FOR_LETTERS and tall + LETTER + 6 <= panel.height else 0
        left = panel.left + (panel.width - wide) // 2
        boxes.append(Box(left=left, top=panel.top + above, width=wide, height=tall))
    return tuple(boxes)


def _size_words(scan: Scan, rows: int, columns: int) -> str:
    """How large a picture is, and how much of that was decoded where that is not all."""
    if scan.stored is None:
        return kept_in_order(f"{columns} x {rows}")
    _, whole_rows, whole_columns = scan.stored.shape
    whole, part = kept_in_order(f"{whole_columns} x {whole_rows}"), kept_in_order(f"{columns} x {rows}")
    return say("{whole} decoded as {part}", whole=whole, part=part)


def as_received(scan: Scan, view: View, box: Box) -> str:
    """Return the caption of a slice: which of how many, its size, and how much larger it is drawn."""
    rows, columns = view.pixels.shape[:2]
    enlarged = max(box.width / columns, box.height / rows)
    if scan.slide is not None:
        _, all_rows, all_columns = scan.slide.grid.shape
        return say("Slide as received, {size}, made small", size=f"{all_columns} x {all_rows}")
    words = [which_slice(scan, view.grid)] if scan.grid.shape[0] > 1 else []
    words.append(_size_words(scan, rows, columns))
    if enlarged > 1.05:
        words.append(say("enlarged {factor} times", factor=number(enlarged, 1)))
    return say(", ").join([say("Picture as received"), *words])
