"""The register of a folder of results: a line for each, in a CSV file that opens in any spreadsheet.

It is a view of the reports of a whole run: lines of the folders that this run wrote are made anew, those of others are
kept, so that a run that is repeated or goes on after an interruption doubles nothing. Its columns are always the same:
those of the patient, the last four, are empty unless ``--identified`` has the reports name them.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.errors import OutputError
from edge.findings import Findings, LabelScore, Region, State
from edge.reasons import REGISTER_NOT_OURS
from edge.scan import Scan
from edge.wanted import PLAIN, Wanted
from edge.write.files import make_folder, mapped, write_whole
from edge.write.page_words import date_written, name_written
from edge.write.report import NEEDS_A_READER, BoxReport, FindingsReport, ResultReport, ScanReport, StudyReport, said_in

if TYPE_CHECKING:
    from typing_extensions import Self

NAME, REGISTER = "register", "register.csv"
COLUMNS = (
    "when",
    "study",
    "folder",
    "result",
    "state",
    "label",
    "score",
    "threshold",
    "measured",
    "urgency",
    "reasons",
    "warnings",
    "pack",
    "version",
    "engine",
    "patient",
    "patient_id",
    "birth_date",
    "sex",
)
BEFORE_PATIENTS = COLUMNS[: COLUMNS.index("patient")]
"""The columns of a register of edgerun 0.1; its lines are kept, with the others empty."""
FOLDER = COLUMNS.index("folder")
LEAST_CELLS = COLUMNS.index("warnings")
"""Of a line: from there on all may be empty, and a spreadsheet may leave empty ones out at the end."""
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms of the first, which some programs take for them."""
INNER_FORMULA = re.compile("([;\t\r\n] *)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a program that parts cells at another sign than the comma would begin one."""
LONGEST_CELL = 32_767
"""That a spreadsheet holds."""
BETWEEN = "; "
PLAIN_NUMBER = re.compile(r"[1-9]\d{0,10}")
"""What a spreadsheet shows as it is written: it drops leading zeros, and shortens what has more digits."""
MONTHS = "jan|ene|feb|fev|fév|mar|apr|abr|avr|mai|may|jun|jui|jul|aug|ago|aou|aoû|sep|set|oct|out|nov|dec|dez|dic|déc"
TRUTHS = "true|false|vrai|faux|verdadero|verdadeiro|falso"
TAKEN_FOR_ANOTHER = re.compile(rf"([\d\s.,:/%()-]|(?<![^\W\d_])(e|am|pm|{TRUTHS}|({MONTHS})[^\W\d_]*))+", re.IGNORECASE)
"""What a spreadsheet may take for a number, a date, a time or a truth, in English, French, Spanish or Portuguese.

A word counts from its first letter on: a hostile one could else be read in more ways than can be tried.
"""

Row = tuple[str, ...]
Said = LabelScore | Region | BoxReport


class Register:
    """Keeps the register of a folder for the length of a run; a context manager, which writes when it ends, however.

    Parameters
    ----------
    out : Path
        The folder in which each study has one.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / REGISTER
        self._rows: dict[str, list[Row]] = {}
        self._kept: list[Row] = []

    def __enter__(self) -> Self:
        """Read the lines that are there.

        Raises
        ------
        OutputError
            ``W805``: the file is no register of edgerun's, and so is not replaced; ``W800``.
        """
        self._kept = read_register(self._path)
        return self

    def add(self, report: StudyReport) -> None:
        """Take the lines of one study in the place of those that its folder had."""
        self._rows[report.folder] = list(rows_of(report))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._rows:
            return
        kept = [row for row in self._kept if row[FOLDER] not in self._rows]
        make_folder(self._path.parent)
        write_whole(self._path, to_csv([*kept, *(row for rows in self._rows.values() for row in rows)]))


@contextlib.contextmanager
def register_kept(out: Path, wanted: Wanted) -> Iterator[Callable[[StudyReport], None]]:
    """Keep the register of a run where it is asked for; yields what takes each report.

    Raises
    ------
    OutputError
        As of `Register`.
    """
    if NAME not in wanted.views:
        yield lambda _: None
        return
    with Register(out) as register:
        yield register.add


def register(
    result: ResultReport,  # noqa: ARG001 -- a writer's four
    scan: Scan | None,  # noqa: ARG001
    findings: Findings | None,  # noqa: ARG001
    wanted: Wanted = PLAIN,  # noqa: ARG001
) -> dict[str, bytes]:
    """Return nothing: the register lies beside the studies' folders and not in one; see `register_kept`."""
    return {}


def read_register(path: Path) -> list[Row]:
    """Return the lines of a register, none where there is no file.

    A spreadsheet may have saved it with semicolons or tabs, or without the empty cells at the end of lines, or
    with quotes around the names of its columns.

    Raises
    ------
    OutputError
        ``W805``: it is not one of ours; ``W800``.
    """
    with mapped(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
    try:
        text = data.decode("utf-8-sig")
        first = text.partition("\n")[0].strip("\r")
        ours = ((sign, columns) for columns in (COLUMNS, BEFORE_PATIENTS) for sign in ",;\t")
        delimiter, columns = next((each for each in ours if _cells(first, each[0]) == list(each[1])), ("", COLUMNS))
        rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except (UnicodeDecodeError, csv.Error, TypeError) as error:
        raise _not_ours(path) from error
    if any(not LEAST_CELLS <= len(row) <= len(columns) for row in rows):
        raise _not_ours(path)
    return [row + ("",) * (len(COLUMNS) - len(row)) for row in rows[1:]]


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _not_ours(path: Path) -> OutputError:
    columns = ", ".join(COLUMNS)
    return OutputError(
        f"Reading {path}: found a file with other columns, expected {columns}. Move it elsewhere and run again.",
        REGISTER_NOT_OURS,
    )


def rows_of(report: StudyReport) -> Iterator[Row]:
    """Yield a line for each result of a study."""
    for number, result in enumerate(report.results, start=1):
        found = [] if result.findings is None else _told(result.findings)
        cells = (
            report.run.finished_utc,
            report.study,
            report.folder,
            str(number),
            result.state,
            *_of_labels(found, result.state),
            _joined(reason.code for reason in result.reasons),
            _joined(reason.code for reason in result.warnings),
            *_of_pack(result),
            *_of_patient(result.scan),
        )
        yield cells


def _told(found: FindingsReport) -> list[Said]:
    """What was found or is uncertain, else everything that was said, so that scores below thresholds stand there."""
    said = list(said_in(found))
    grave = [
        item for item in said if item.finding and (item.positive or (isinstance(item, LabelScore) and item.uncertain))
    ]
    return grave or said


def _of_labels(found: Sequence[Said], state: State) -> Row:
    """Titles, scores, thresholds, measures and urgencies, each in the same order."""
    return (
        _joined(_called(item, state) for item in found),
        _joined("" if isinstance(item, Region) else f"{item.score:.4g}" for item in found),
        _joined("" if item.threshold is None else f"{item.threshold:.4g}" for item in found),
        _joined(_measured(item) for item in found),
        _joined(item.urgency or "" for item in found),
    )


def _called(item: Said, state: State) -> str:
    """Its title, and that a reader must settle it where the state tells of something else that was found."""
    unsure = isinstance(item, LabelScore) and item.uncertain and state != "uncertain"
    return f"{item.title} ({NEEDS_A_READER})" if unsure else item.title


def _measured(item: Said) -> str:
    if not isinstance(item, Region):
        return ""
    if item.volume_ml is not None:
        return f"{item.volume_ml:.4g} mL"
    return f"{item.pixels} pixels" if item.area_mm2 is None else f"{item.area_mm2:.4g} mm2"


def _of_pack(result: ResultReport) -> Row:
    name, version = ("", "") if result.pack is None else (result.pack.name, result.pack.version)
    engine = "" if result.engine is None else f"{result.engine.name} {result.engine.version} {result.engine.precision}"
    return name, version, engine


def _of_patient(scan: ScanReport) -> Row:
    """Whose scan it is, where the report names them."""
    who = scan.patient
    if who is None:
        return ("",) * (len(COLUMNS) - len(BEFORE_PATIENTS))
    sex = scan.acquisition.sex or ""
    return name_written(who.name), as_text(who.number or ""), date_written(who.birth_date), sex


def as_text(cell: str) -> str:
    """Return what must be read as it is written, such as a patient's number: an apostrophe before what would not be.

    Examples
    --------
    >>> as_text("4711"), as_text("00123"), as_text("1E5"), as_text("MAR-01"), as_text("CHX-0001")
    ('4711', "'00123", "'1E5", "'MAR-01", 'CHX-0001')
    """
    changed = TAKEN_FOR_ANOTHER.fullmatch(cell) and not PLAIN_NUMBER.fullmatch(cell)
    return f"'{cell}" if changed else cell


def _joined(words: Iterator[str]) -> str:
    """Several in one cell; nothing where each is empty."""
    every = list(words)
    return BETWEEN.join(every) if any(every) else ""


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe before what would begin one.

    The Open Worldwide Application Security Project, "CSV Injection". Quotes do not help: a program takes them off
    before it looks. One that is there already is not added to, so that a line that is kept stays as it is. What no
    spreadsheet and no reader of CSV takes goes: NUL, and what is longer than a cell.

    Examples
    --------
    >>> safe("=1+1"), safe(" -2"), safe("Nodule"), safe("'=1+1"), safe("A;=1+1;B")
    ("'=1+1", "' -2", 'Nodule', "'=1+1", "A;'=1+1;B")
    """
    whole = INNER_FORMULA.sub(r"\1'", cell.replace("\0", ""))
    begins = whole.lstrip(" ").startswith(BEGINS_A_FORMULA)
    return f"'{whole}"[:LONGEST_CELL] if begins else whole[:LONGEST_CELL]


def to_csv(rows: Sequence[Row]) -> bytes:
    """Return a register as a file: UTF-8 with its mark, by which Excel knows it, commas, every cell safe."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    text.write(",".join(COLUMNS) + "\r\n")
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")
