"""The page of what burned-in text is found; ``python -m benchmarks.burned_in_page`` writes it anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.burned_in import Found, Group, Mistaken, Results, read_results
from benchmarks.burned_in_pictures import SIZES

PAGE = Path(__file__).parent.parent / "docs" / "burned-in.md"
TITLES: Mapping[Group, str] = {
    "contrast": "By contrast, words in two Latin fonts",
    "ground": "The same words by what they lie on",
    "script": "By script, white",
    "turn": "By turn, white, in Noto Sans",
    "large film": "In a film of 2048 x 2048, one word of each size",
}

HEAD = """# Text that is burned into pictures

`edgerun deidentify` looks for text in the pixels of pictures ([which](deidentify.md)) and blanks it. What looks is the
detector of PP-OCRv6 that the package `rapidocr` brings with it (`pip install 'edgerun[ocr]'`; Apache-2.0, 10 MB), run
by edgerun's own ONNX Runtime on the processor, within the cores that the process may use. Nothing is fetched, no
connection is opened, and none of the package's code is loaded. Only the detector runs: **no text is ever read**, so
none can be kept or told.

**Do not rely on it alone.** It finds nearly all printed text of usual contrast, misses one faint word in five, and
more than a third of what lies on the speckle of ultrasound; the tables below say how much. Whoever passes pictures on
has to look at them, at least at some of each kind of machine.

## What is done

- Every frame of every picture is looked at; frames that are the same byte for byte, once. Segmentations, parametric
  maps and grids of dose are not: their pixels are labels and measured values, of which lesions would be taken for
  letters. They are counted as not searched. Grey pictures are looked at
  twice or three times: over their whole range, where text is often brighter than all else; with their contrast evened
  out; and in the window that the file declares, where that is narrower. Colours are looked at as they are, and by
  their least channel, evened out.
- The detector overlooks small letters in fields of more than about 700 points a side: of a line 11 points high it
  finds everything in 736 x 736 and nothing in 1024 x 1024. So a frame is looked at in overlapping parts of 640 x 640,
  again at a half, a quarter and so on of its size, and frames of up to 400 points in twice their size; each upright and
  turned by a quarter.
- The detector takes large round shapes, such as a skull, for letters. So only what has the form of a line of text is
  kept: narrow, filled, not higher than a line can be; and what is as high as long only where it is small and certain.
- Boxes are widened by a margin. A place in which one frame shows text is blanked in **all** frames of the file; in the
  tiles of a slide, only in the tile that shows it.
- What is blanked becomes dark: the least stored value of the picture, the greatest for MONOCHROME1, black in colours,
  the darkest entry of a palette. The file is then stored uncompressed (Explicit VR Little Endian; YBR as RGB), and that
  it was compressed with loss once stays said. A picture without text keeps every byte of its pixels.
- Only bits that stand beside the values (overlays of the old kind) are cleared whether text was found or not, and
  whether it was looked for or not.
- It costs about a quarter of a second of one processor core for a picture of 512 x 512, as much for each frame of an
  ultrasound loop of 640 x 480, and 17 seconds for a film of 3000 x 2400.
- Refused, with a [code](refusals.md): R370 the detector is not installed, or is another version than was measured; R371
  it failed; R372 text in pixels that are not blanked (floating point, single bits, YBR of more than 8 bits); R373 more
  than 35% of the picture would be blanked, as of a document or a picture of a screen. Video is refused, too.

## What is not found, and what is lost

- **Faint text**, and **dark text on tissue**: see the first table. A word that lies across strong edges of anatomy may
  be covered in part.
- **Faint or dark text on the speckle and the coloured flow of ultrasound**: see the second table. Machines write white
  beside the picture; that is found. In pydicom's four ultrasound pictures with text every line is blanked,
  as was seen by eye; a P in a symbol and a 0 on a button stay, and two spots of coloured flow go.
- **Writing by hand** was measured only with a font that looks like it; real handwriting on films was not.
- **Chinese, Japanese, Korean, Cyrillic, Bengali and other scripts** were not measured. Nor were stamps, logos, bar
  codes (not text, and not looked for), faces, or text of letters lower than 7 points.
- **Overlays** (60xx), icons and reports in the file are no pixels; they are removed by the other rules of the profile.
- **Full films as machines make them** were not measured, for want of any that may be used: those here are smooth, being
  enlarged, and both finding text on them and taking tissue for text may be easier or harder on real ones. The numbers
  of words and pictures are small: 14 of 14 is compatible with one word in five missed.
- What is text and no name goes too: lead letters L and R on films, scales, settings and measurements on ultrasound.
- **Lesions may be taken for letters, and then they are gone from the picture**: bright spots on ground that is
  otherwise even above all, for then noise is made strong where contrast is evened out. The last table has pictures made
  of such spots, on even ground, in a chest and in a warm body. Nothing in the file says where it was blanked. So
  `--burned-in likely`, which is the default, passes over slices of CT, MR, PET and nuclear medicine as the scanner made
  them, and `blank` does not; look at whatever is told to have been blanked.

## Why the detector alone, with no reading

A reader behind the detector could drop boxes in which it reads nothing. The one that comes with the package would drop
words of scripts that it has not learnt. Of planted white words, cut out exactly, it takes for text:

{read}

The form of a line tells tissue from text without that loss: see the last table. And what a reader would have read is
what must not be kept.
"""

FOOT = """This page is generated from `benchmarks/results/burned-in.json` by `python -m benchmarks.burned_in_page`; the
numbers are made by `python -m benchmarks.burned_in` and `python -m benchmarks.burned_in_reader`.
"""

ABOUT = """Words (names, numbers, dates, hospitals) of known ink are planted into real pictures: two films of
PneumoniaMNIST enlarged from 28 x 28 points to 1024 and 512, with noise like a sensor's; two sections of the brain
(ICBM 152); a CT, an MR and a Doppler picture of pydicom's test files. Corners are taken as often as any place. Sizes
are heights of capitals in points. Each cell: share of the words whose ink is **wholly** covered by boxes, and of how
many; words that differ by less than 5% of the range from what lies under them are not counted, as nobody sees them."""


def page(results: Results) -> str:
    """Return the page as Markdown."""
    told = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    read = "\n".join(f"- {row.kind}: {row.kept} of {row.n}" for row in results.read)
    parts = [
        HEAD.format(read=read),
        "## What is found",
        "",
        ABOUT,
        "",
        f"Measured on {results.date[:10]} with {told}.",
        "",
    ]
    sizes = " | ".join(f"{size}" for size in SIZES)
    for group, title in TITLES.items():
        rows = [row for row in results.found if row.group == group]
        kinds = dict.fromkeys(row.kind for row in rows)
        lines = [_line(kind, [row for row in rows if row.kind == kind]) for kind in kinds]
        parts += [f"### {title}", "", f"| | {sizes} | left |", f"|---|{'---|' * len(SIZES)}---|", *lines, ""]
    parts += [
        "**left**: share of all words of the row of which less than half is covered, so that they can be read.",
        "",
    ]
    parts += ["## What is blanked in pictures without text", "", *_mistaken(results.mistaken), "", FOOT]
    return "\n".join(parts)


def _line(kind: str, rows: list[Found]) -> str:
    by_size = {row.size: row for row in rows}
    cells = [_cell(by_size[size]) if size in by_size else "-" for size in SIZES]
    count = sum(row.n for row in rows)
    left = sum(row.n - row.whole - row.partly for row in rows)
    return f"| {kind} | {' | '.join(cells)} | {left / count:.0%} |"


def _cell(row: Found) -> str:
    return f"{row.whole / row.n:.0%} ({row.whole} of {row.n})"


def _mistaken(rows: tuple[Mistaken, ...]) -> list[str]:
    head = ["| Pictures | n | with a box | of all points | of the worst picture |", "|---|---|---|---|---|"]
    return head + [
        f"| {row.kind} | {row.n} | {row.with_boxes} | {row.mean_share:.2%} | {row.most_share:.2%} |" for row in rows
    ]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read_results()), encoding="utf-8")


if __name__ == "__main__":
    main()
