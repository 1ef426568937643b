"""The result as one picture that a person can read on a cheap screen: what was seen, what it rests on, what it means.

The words carry the meaning; colour only repeats them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2

from edge.findings import Classification, Detections, Findings, Registration, Segmentation, State, Translation
from edge.scan import Scan
from edge.table import Entry
from edge.wanted import PLAIN, Wanted
from edge.words import message, runs_right_to_left, say, speaking
from edge.write.canvas import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALE,
    PALE_YELLOW,
    PURPLE,
    VERMILION,
    WHITE,
    YELLOW,
    Box,
    Colour,
    Pixels,
    blank_canvas,
    encode_png,
    fill,
    wrap,
    write,
)
from edge.write.panels import (
    HEIGHT,
    LABEL_COLOURS,
    LINE,
    THREE,
    TWICE_THREE,
    TWO,
    TWO_LISTED,
    WIDTH,
    Layout,
    as_received,
    draw_scale_bar,
    show,
    write_caption,
    write_sides,
)
from edge.write.report import DISCLAIMER, ResultReport, vouched
from edge.write.spoken import findings_spoken, result_spoken
from edge.write.view import slice_shown, views_of
from edge.write.words import Line, file_words, headline, label_lines, listed

BANNER = Box(left=0, top=0, width=WIDTH, height=64)
FOOT = Box(left=16, top=696, width=WIDTH - 32, height=66)
SWATCH = 14
NOT_NO_FINDING = message("This is not 'no finding'.")

DRAWN: Mapping[type[Findings], Entry] = {
    Classification: Entry("edge.write.influence:draw_classification"),
    Segmentation: Entry("edge.write.regions:draw_segmentation"),
    Detections: Entry("edge.write.boxes:draw_detections"),
    Translation: Entry("edge.write.synthetic:draw_translation"),
    Registration: Entry("edge.write.checkerboard:draw_registration"),
}
"""What draws the findings of each task, loaded when there are some."""

BANNERS: dict[State, tuple[str, Colour, Colour]] = {
    "finding": (message("FINDING"), VERMILION, WHITE),
    "uncertain": (message("UNCERTAIN"), ORANGE, BLACK),
    "no-finding": (message("NO FINDING"), BLUE, WHITE),
    "done": (message("DONE"), PURPLE, BLACK),
    "not-analysed": (message("NOT ANALYSED"), GREY, WHITE),
    "failed": (message("FAILED"), YELLOW, BLACK),
}


def overlay(
    result: ResultReport,
    scan: Scan | None,
    findings: Findings | None,
    wanted: Wanted = PLAIN,
) -> dict[str, bytes]:
    """Return ``overlay.png``, 1024 x 768, in the language that is wanted.

    Parameters
    ----------
    result : ResultReport
        What the words say.
    scan : Scan, optional
        None where no pixel was decoded; the panels then say so.
    findings : Findings, optional
        None where the scan was not analysed.
    """
    canvas = blank_canvas(WIDTH, HEIGHT)
    with speaking(wanted.language):
        said = result_spoken(result)
        _banner(canvas, said)
        draw_pictures(canvas, scan, findings_spoken(findings, result))
        _reasons(canvas, said)
        _lines(canvas, said, layout_of(findings).lines)
        _foot(canvas, said)
    return {"overlay.png": encode_png(canvas)}


def draw_pictures(canvas: Pixels, scan: Scan | None, findings: Findings | None) -> None:
    """Draw what was seen into its panels, with what was found in it, or that there is nothing to show."""
    if scan is None:
        _no_picture(canvas)
    elif findings is None:
        _as_received(canvas, scan)
    else:
        DRAWN[type(findings)].load()(canvas, scan, findings)


def layout_of(findings: Findings | None) -> Layout:
    """Return where pictures and lines stand."""
    if isinstance(findings, Registration):
        return TWICE_THREE
    if isinstance(findings, Segmentation) and findings.grid.shape[0] > 1:
        return THREE
    return TWO_LISTED if isinstance(findings, Detections) else TWO


def _banner(canvas: Pixels, result: ResultReport) -> None:
    words, colour, ink = BANNERS[result.state]
    fill(canvas, BANNER, colour)
    text = Box(left=16, top=0, width=WIDTH - 32, height=BANNER.height)
    write(canvas, f"{say(words)}{headline(result)}", text, scale=1.0, colour=ink, bold=True)


def _no_picture(canvas: Pixels) -> None:
    box = TWO.panels[0]
    cv2.rectangle(canvas, (box.left, box.top), (box.left + box.width, box.top + box.height), GREY, 1)
    write(canvas, say("No picture was decoded."), Box(left=box.left + 16, top=box.top, width=456, height=box.height))


def _as_received(canvas: Pixels, scan: Scan) -> None:
    (view,) = views_of(scan, [slice_shown(scan, None)])
    panel = TWO.panels[0]
    box = view.fitted(panel)
    write_caption(canvas, panel, as_received(scan, view, box))
    show(canvas, view, box)
    write_sides(canvas, view, box)
    draw_scale_bar(canvas, view, box, panel)


def _reasons(canvas: Pixels, result: ResultReport) -> None:
    """Why there is no finding to show, in the place where it would be."""
    reasons = result.reasons
    panel, room = TWO.panels[1], TWO.panels[1].height // LINE
    lines: list[tuple[str, Colour]] = []
    for reason in reasons:
        said = ((f"{reason.code}: {reason.words}", WHITE), (reason.detail, PALE), (reason.action, YELLOW))
        lines += [(line, colour) for text, colour in said for line in wrap(text, panel.width, scale=0.6, most=3)]
    if len(lines) > room:
        lines = [*lines[: room - 1], (say("More stands in report.json."), PALE)]
    for index, (line, colour) in enumerate(lines):
        below = Box(left=panel.left, top=panel.top + index * LINE, width=panel.width, height=LINE)
        write(canvas, line, below, colour=colour)


def _lines(canvas: Pixels, result: ResultReport, box: Box) -> None:
    """Each label with what was said of it, what was found first; then what must be said beside it."""
    room = box.height // LINE
    lines, last = label_lines(result)
    if result.confirmed:
        last.insert(0, say("Vouched for by a person: {what}", what=vouched(result)))
    last += [say("Warning {code}: {words}", code=item.code, words=item.words) for item in result.warnings]
    last += [say("Note: {note}", note=note) for note in result.notes]
    kept = max(2, room - len(last))
    if len(lines) > kept:
        lines = [*lines[: kept - 1], Line(text=say("and {count} more: see report.json", count=len(lines) - kept + 1))]
    left = room - len(lines)
    if len(last) > left:
        last = [*last[: left - 1], say("and {count} more warnings: see report.json", count=len(last) - left + 1)]
    _write_lines(canvas, [*lines, *(Line(text=text) for text in last)], box)


def _write_lines(canvas: Pixels, lines: Sequence[Line], box: Box) -> None:
    for index, line in enumerate(lines):
        left, top, width = box.left, box.top + index * LINE, box.width
        if line.label is not None:
            middle = top + (LINE - SWATCH) // 2
            colour = LABEL_COLOURS[line.label % len(LABEL_COLOURS)]
            at = left + width - SWATCH if runs_right_to_left() else left
            fill(canvas, Box(left=at, top=middle, width=SWATCH, height=SWATCH), colour)
            left, width = (left if runs_right_to_left() else left + SWATCH + 8), width - SWATCH - 8
        write(canvas, line.text, Box(left=left, top=top, width=width, height=LINE))


def _foot(canvas: Pixels, result: ResultReport) -> None:
    """What it is for, and what made it."""
    lines = [(say(DISCLAIMER), 0.55, YELLOW)]
    if result.pack:
        lines.append((result.pack.intended_use, 0.5, PALE_YELLOW))
    if result.pack and result.engine:
        pack, engine = result.pack, result.engine
        ran = say("{precision} on {engine}", precision=engine.precision, engine=f"{engine.name} {engine.version}")
        which = say("pack {sha256}", sha256=pack.sha256[:12])
        made = listed([f"{pack.title} {pack.version}", ran, which])
        lines.append((f"{file_words(result)}{made}", 0.45, PALE))
    else:
        lines.append((f"{file_words(result)}{say(NOT_NO_FINDING)}", 0.5, PALE))
    height = FOOT.height // 3
    for index, (text, scale, colour) in enumerate(lines):
        below = Box(left=FOOT.left, top=FOOT.top + index * height, width=FOOT.width, height=height)
        write(canvas, text, below, scale=scale, colour=colour)
