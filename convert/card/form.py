"""What a card is made of, and its two views. All text is plain here; it becomes Markdown in one place, `escaped`."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

NOT_STATED = "not stated by the maker"
"""What a field says that neither the manifest nor the conversion knows."""

_SPECIAL = re.compile(r"[\\`*_\[\]|#~$]")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BLOCK_MARK = re.compile(r"^(\d*)([-+.)])(?=[-+\s]|$)")
"""What begins a list or a rule at the beginning of a line; what begins a negative number does not."""
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_LAST_HEADING = "What is not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A field of text.

    Parameters
    ----------
    key : str
        Of CHAI's schema.
    title : str
        For people.
    lines : tuple of str
        One is a paragraph, several are a list; none: the maker does not state it.
    lacking : str
        What the field should tell beyond its lines, and does not; empty where they tell all.
    literal : str, optional
        Stands in the JSON as it is, and in no Markdown.
    """

    key: str
    title: str
    lines: tuple[str, ...] = ()
    lacking: str = ""
    literal: str | None = None

    @property
    def markdown(self) -> str:
        """The text of both views."""
        rest = (f"{self.lacking[:1].upper()}{self.lacking[1:]}: {NOT_STATED}.",) if self.lines and self.lacking else ()
        lines = [escaped(line) for line in (*self.lines, *rest)] or [NOT_STATED]
        return lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A field of several short texts, each an element `item`."""

    key: str
    item: str
    title: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure for machines: its label, and what its ``ValueJson`` holds."""

    label: str
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The same figures for people and for machines."""

    cells: tuple[str, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a title; `note` says how to read them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The figures of a key metric; empty tables are left out."""

    key: str = "Results"
    title: str = "Results"
    tables: tuple[Table, ...] = ()

    @property
    def results(self) -> tuple[Result, ...]:
        """All figures, in order."""
        return tuple(result for table in self.tables for row in table.rows for result in row.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Fields that belong together."""

    key: str
    title: str
    parts: tuple[Part, ...]


Part: TypeAlias = "Said | Listed | Results | Section"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A field that tells nothing, or not all: its path in the JSON and in words."""

    keys: tuple[str, ...]
    titles: tuple[str, ...]
    lacking: str


def escaped(text: str) -> str:
    r"""Return plain text as one line of Markdown that shows it and does nothing else (CommonMark 0.31, 2.4).

    Characters of control, which could hide or turn what stands beside them, are left out.

    Examples
    --------
    >>> escaped("# <b>1 | 2</b>")
    '\\# &lt;b&gt;1 \\| 2&lt;/b&gt;'
    >>> escaped("1. one\n2. two")
    '1\\. one 2. two'
    """
    line = " ".join("".join(character for character in text if _shown(character)).split())
    line = "".join(_HTML.get(character, character) for character in _SPECIAL.sub(r"\\\g<0>", line))
    return _BLOCK_MARK.sub(r"\1\\\2", line)


def lines_of(text: str) -> tuple[str, ...]:
    """Return a maker's lines, without those that show nothing."""
    return tuple(line for line in text.splitlines() if escaped(line))


def _shown(character: str) -> bool:
    if character.isspace():
        return True
    hidden = unicodedata.category(character) in ("Cc", "Cs")
    return not hidden and unicodedata.bidirectional(character) not in _DIRECTIONS


def not_stated(card: Section) -> tuple[Lack, ...]:
    """Return every field that says `NOT_STATED`, in order."""
    return tuple(_lacks(card.parts, (), ()))


def _lacks(parts: tuple[Part, ...], keys: tuple[str, ...], titles: tuple[str, ...]) -> Iterator[Lack]:
    for part in parts:
        path, words = (*keys, part.key), (*titles, part.title)
        if isinstance(part, Section):
            yield from _lacks(part.parts, path, words)
        elif isinstance(part, Said):
            if part.literal is None and (part.lacking or not part.lines):
                yield Lack(keys=path, titles=words, lacking=part.lacking if part.lines else "")
        elif not (part.items if isinstance(part, Listed) else part.results):
            yield Lack(keys=path, titles=words, lacking="")


def to_json(section: Section) -> dict[str, Any]:
    """Return a section by its keys; see `convert.card`."""
    return {part.key: _value(part) for part in section.parts}


def _value(part: Part) -> Any:
    if isinstance(part, Section):
        return to_json(part)
    if isinstance(part, Listed):
        return {part.item: [escaped(item) for item in part.items] or [NOT_STATED]}
    if isinstance(part, Said):
        return part.markdown if part.literal is None else part.literal
    measured = [{"Label": escaped(item.label), "ValueJson": _dumped(item.value)} for item in part.results]
    return {"MetricResult": measured or [{"Label": NOT_STATED, "ValueJson": _dumped(None)}]}


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def to_markdown(card: Section) -> str:
    """Return the whole card, each block apart from the next."""
    lacks = not_stated(card)
    told = [f"- {': '.join(escaped(title) for title in lack.titles)}{_in_part(lack)}" for lack in lacks]
    opening = (
        f"This card is written from the pack's manifest, from its conversion, and from what its maker says. What they "
        f'do not hold is "{NOT_STATED}", and is listed under "{_LAST_HEADING}".'
    )
    blocks = [f"# {escaped(card.title)}", opening, *_blocks(card.parts, "##")]
    return "\n\n".join([*blocks, f"## {_LAST_HEADING}", "\n".join(told)]) + "\n"


def _in_part(lack: Lack) -> str:
    return f" (in part: {escaped(lack.lacking)})" if lack.lacking else ""


def _blocks(parts: tuple[Part, ...], marks: str) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Section):
            yield f"{marks} {escaped(part.title)}"
            yield from _blocks(part.parts, f"{marks}#")
        elif isinstance(part, Results):
            yield from _tables(part)
        elif isinstance(part, Listed):
            yield f"**{part.title}:** {', '.join(escaped(item) for item in part.items) or NOT_STATED}"
        elif part.literal is None:
            text = part.markdown
            yield f"**{part.title}:**" + (f"\n\n{text}" if text.startswith("- ") else f" {text}")


def _tables(part: Results) -> Iterator[str]:
    if not part.results:
        yield f"**{part.title}:** {NOT_STATED}"
    for table in part.tables:
        if table.rows:
            yield f"**{part.title}: {table.title}**"
            lines = [table.columns, ("---",) * len(table.columns), *(map(escaped, row.cells) for row in table.rows)]
            yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
            yield from [escaped(table.note)] if table.note else []
