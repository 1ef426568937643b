"""A result -> one page of A4 to print, to sign and to file: everything that the screen says, in black and white.

The page names the patient, as a film does; its QR code does not: it holds the result's UID alone, which stands in
``report.json``.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.findings import Findings
from edge.scan import Scan
from edge.wanted import PLAIN, Wanted
from edge.words import kept_in_order, message, say, speaking
from edge.write.canvas import PAPER, Box, Pixels, blank_canvas, encode_png, fill
from edge.write.montage import MONTAGE, draw_montage, draw_planes, has_montage
from edge.write.overlay import BANNERS, NOT_NO_FINDING, draw_pictures, layout_of
from edge.write.page_marks import draw_band
from edge.write.page_sheet import INNER, LEAST_POINTS, MARGIN, Area, Sheet, Type
from edge.write.page_words import Field, Paragraph, beside_paragraphs, patient_fields, said_paragraphs
from edge.write.panels import CAPTION, THREE, Layout
from edge.write.panels import WIDTH as PIXELS
from edge.write.report import DISCLAIMER, ResultReport
from edge.write.spoken import findings_spoken, result_spoken
from edge.write.words import file_words, headline

MM_PER_PIXEL = INNER / PIXELS
NOTE = 30
QR_SIDE = 27.0
HEAD = Area(left=MARGIN, top=9.0, width=INNER - QR_SIDE - 3, height=9.0)
PATIENT = Area(left=MARGIN, top=20.5, width=INNER - QR_SIDE - 3, height=14.0)
QR = Area(left=MARGIN + INNER - QR_SIDE, top=7.5, width=QR_SIDE, height=QR_SIDE)
BAND = Area(left=MARGIN, top=37.0, width=INNER, height=15.0)
PICTURES_TOP = BAND.top + BAND.height + 2.0
FOOT = Area(left=MARGIN, top=276.0, width=INNER, height=13.5)
SIGN = Area(left=MARGIN, top=260.5, width=INNER, height=14.0)
TEXT_END = SIGN.top - 2.0
PATIENT_SHARES = (0.33, 0.25, 0.15, 0.11, 0.16)
SIGNED = (message("Read by (name)"), message("Date"), message("Signature"))
SIGN_SHARES = (0.42, 0.2, 0.38)
BODY_POINTS = (11.0, 9.5, 8.5, 7.5, 6.5, 6.0)
GAP = 0.8


def page(
    result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN
) -> dict[str, bytes]:
    """Return ``page.pdf``, one page of A4, in the language that is wanted.

    Parameters
    ----------
    result : ResultReport
        What the words say.
    scan : Scan, optional
        Whom the page names, and what is shown; None where no pixel was decoded: then it names whom the report does.
    findings : Findings, optional
        None where the scan was not analysed.
    """
    with speaking(wanted.language):
        said = result_spoken(result)
        sheet = Sheet(say("Result of edgerun"))
        _head(sheet, said)
        _fields(sheet, PATIENT, patient_fields(scan, result.scan), PATIENT_SHARES)
        draw_band(sheet, BAND, said.state, _band_words(said))
        bottom = _pictures(sheet, scan, findings_spoken(findings, result))
        _text(sheet, Area(left=MARGIN, top=bottom, width=INNER, height=TEXT_END - bottom), said)
        _fields(sheet, SIGN, [Field(name=say(name)) for name in SIGNED], SIGN_SHARES)
        _foot(sheet, said)
        return {"page.pdf": sheet.file()}


def _band_words(result: ResultReport) -> str:
    words = f"{say(BANNERS[result.state][0])}{headline(result)}"
    return words if result.findings is not None else f"{words}. {say(NOT_NO_FINDING)}"


def _head(sheet: Sheet, result: ResultReport) -> None:
    title = Area(left=HEAD.left, top=HEAD.top, width=HEAD.width, height=5.5)
    sheet.write(say("What a model made of a scan"), title, Type(points=12, bold=True))
    below = Area(left=HEAD.left, top=HEAD.top + 5.5, width=HEAD.width, height=5.0)
    sheet.write(say(DISCLAIMER), below, Type(points=8.5, bold=True))
    if result.uid:
        sheet.qr(result.uid, QR)


def _fields(sheet: Sheet, area: Area, fields: Sequence[Field], shares: Sequence[float]) -> None:
    """Fields side by side in a frame, each with its name above what is known, or above a line to write on."""
    sheet.box(area)
    left = area.left
    for field, share in zip(fields, shares, strict=True):
        place = Area(left=left + 1.5, top=area.top + 0.8, width=share * area.width - 3, height=area.height - 2)
        sheet.write(field.name, Area(left=place.left, top=place.top, width=place.width, height=4), Type(points=7))
        if field.value and sheet.can_write(field.value):
            value = Area(left=place.left, top=place.top + 3.8, width=place.width, height=place.height - 3.8)
            sheet.write(kept_in_order(field.value), value, _in_one_line(sheet, field.value, place.width))
        else:
            sheet.line(place)
        left += share * area.width


def _in_one_line(sheet: Sheet, value: str, width: float) -> Type:
    """The largest letters in which a value is not broken: a number in two lines is copied wrongly."""
    sizes = [Type(points=points, bold=True) for points in (10.0, 9.0, 8.0, 7.0, 6.5)]
    whole = (
        how for how in sizes if sheet.height_of(kept_in_order(value), width, how) == sheet.height_of("1", width, how)
    )
    return next(whole, sizes[0])


def _pictures(sheet: Sheet, scan: Scan | None, findings: Findings | None) -> float:
    """Show what the screen shows, and of a volume a montage; return where the pictures end."""
    if scan is None:
        return _no_picture(sheet)
    if findings is not None and has_montage(scan, findings):
        return _volume(sheet, scan, findings)
    layout = layout_of(findings)
    canvas = _paper(PIXELS, layout.lines.top)
    draw_pictures(canvas, scan, findings)
    return _show(sheet, canvas, _used(layout, whole=findings is not None), PICTURES_TOP)


def _volume(sheet: Sheet, scan: Scan, findings: Findings) -> float:
    canvas = _paper(PIXELS, THREE.lines.top)
    draw_planes(canvas, scan, findings)
    bottom = _show(sheet, canvas, _used(THREE, whole=True), PICTURES_TOP)
    strip = _paper(PIXELS, MONTAGE.height)
    draw_montage(strip, scan, findings)
    return _show(sheet, strip, MONTAGE, bottom)


def _no_picture(sheet: Sheet) -> float:
    area = Area(left=MARGIN, top=PICTURES_TOP, width=INNER, height=16.0)
    sheet.box(area, dashed=True)
    sheet.write(say("No picture was decoded."), area.inset(2.0), Type(points=10), middle=True)
    return area.top + area.height + 2.0


def _used(layout: Layout, *, whole: bool) -> Box:
    """The part of the canvas with the panels: all of them, or the first where nothing was found out."""
    panels = layout.panels if whole else layout.panels[:1]
    left, top = panels[0].left, panels[0].top - CAPTION
    right = max(panel.left + panel.width for panel in panels)
    bottom = max(panel.top + panel.height for panel in panels) + NOTE
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _show(sheet: Sheet, canvas: Pixels, part: Box, top: float) -> float:
    cut = canvas[part.top : part.top + part.height, part.left : part.left + part.width]
    width = part.width * MM_PER_PIXEL
    area = Area(left=MARGIN, top=top, width=width, height=part.height * MM_PER_PIXEL)
    sheet.picture(encode_png(cut), area)
    return top + area.height + 1.0


def _paper(width: int, height: int) -> Pixels:
    canvas = blank_canvas(width, height)
    fill(canvas, Box(left=0, top=0, width=width, height=height), PAPER)
    return canvas


def _text(sheet: Sheet, area: Area, result: ResultReport) -> None:
    """What was said, then what must be said beside it: in the largest letters in which all of it stands on the page.

    Where not even the smallest do, what was said gives way to the warnings down to half of the room, and what is left
    out is counted.
    """
    said, beside = said_paragraphs(result), beside_paragraphs(result)
    fitting = (points for points in BODY_POINTS if _room(sheet, [*said, *beside], area, points) <= area.height)
    points = next(fitting, BODY_POINTS[-1])
    for_beside = min(_room(sheet, beside, area, points), area.height / 2)
    upper = Area(left=area.left, top=area.top, width=area.width, height=area.height - for_beside)
    end = _paragraphs(sheet, upper, said, points)
    lower = Area(left=area.left, top=end, width=area.width, height=area.top + area.height - end)
    _paragraphs(sheet, lower, beside, points)


def _room(sheet: Sheet, paragraphs: Sequence[Paragraph], area: Area, points: float) -> float:
    """The height that paragraphs take; of those that do not fit, that of as many as show that."""
    height = 0.0
    for each in paragraphs:
        height += sheet.height_of(each.text, area.width, Type(points=points, bold=each.bold)) + GAP
        if height > area.height:
            break
    return height


def _paragraphs(sheet: Sheet, area: Area, paragraphs: Sequence[Paragraph], points: float) -> float:
    """Write as many as there is room for, and how many there is none for; return where they end."""
    top, end = area.top, area.top + area.height
    last = sheet.height_of("1", area.width, Type(points=points)) + GAP
    for index, each in enumerate(paragraphs):
        how = Type(points=points, bold=each.bold)
        height = sheet.height_of(each.text, area.width, how)
        spare = last if index < len(paragraphs) - 1 else 0.0
        if top + height + spare > end + 0.05:
            words = say("and {count} more: see report.json", count=len(paragraphs) - index)
            place = Area(left=area.left, top=top, width=area.width, height=max(end - top, last))
            return top + sheet.write(words, place, Type(points=points)) + GAP
        top += sheet.write(each.text, Area(left=area.left, top=top, width=area.width, height=height), how) + GAP
    return top


def _found_again(sheet: Sheet, result: ResultReport) -> str:
    """The result's UID, and the files where they have room beside it: a UID that is cut finds nothing."""
    alone = say("Result {uid}", uid=result.uid)
    named, how = f"{file_words(result)}{alone}", Type(points=LEAST_POINTS)
    whole = sheet.height_of(named, FOOT.width, how) == sheet.height_of(alone, FOOT.width, how)
    return named if whole else alone


def _foot(sheet: Sheet, result: ResultReport) -> None:
    """What made it, of which files, and how to find it again."""
    lines = []
    if result.pack is not None:
        pack = result.pack
        lines.append(kept_in_order(f"{pack.title} {pack.version}: {pack.intended_use}"))
        lines.append(say("pack {sha256}", sha256=f"{pack.name} {pack.sha256}"))
    if result.engine is not None:
        engine = result.engine
        name = f"{engine.name} {engine.version} ({engine.provider})"
        lines.append(say("{precision} on {engine}", precision=engine.precision, engine=name))
    lines.append(_found_again(sheet, result))
    top = FOOT.top
    for text in lines:
        room = FOOT.top + FOOT.height - top
        area = Area(left=FOOT.left, top=top, width=FOOT.width, height=min(room, 3.4))
        top += sheet.write(text, area, Type(points=6.5))
