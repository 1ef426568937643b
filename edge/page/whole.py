"""A page that needs nothing else: no network, no script, no font; for a screen and for A4 paper."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge.page.markup import Markup, element

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content-Security-Policy: a browser that would load anything for this page is told not to."""


def whole(title: str, body: Iterable[Markup], more_style: str = "") -> str:
    """Return a page with its head; `more_style` is CSS behind that of every page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width"),
        element("title", title),
        element("style", Markup(STYLE.read_text(encoding="utf-8") + more_style)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', *body), lang='en')}\n"
