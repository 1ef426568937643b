"""Elements of HTML and SVG that are always well-formed, and whose text is always escaped."""

from __future__ import annotations

import html


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(kind: str, /, *inside: str, **attributes: object) -> Markup:
    """Return an element. What is inside is escaped unless it is `Markup`; so are the values of attributes.

    Parameters
    ----------
    attributes
        ``class_`` stands for ``class``, and ``stroke_width`` for ``stroke-width``; None leaves an attribute out.

    Examples
    --------
    >>> element("p", "a < b ", element("b", "& c"), class_="soft")
    '<p class="soft">a &lt; b <b>&amp; c</b></p>'
    >>> element("br")
    '<br/>'
    """
    told = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    opened = kind + "".join(f' {key}="{html.escape(_plain(value))}"' for key, value in told.items())
    body = joined(*inside)
    return Markup(f"<{opened}>{body}</{kind}>" if body else f"<{opened}/>")


def joined(*parts: str) -> Markup:
    """Return parts one after the other, escaped unless they are `Markup`."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part, quote=False) for part in parts))


def _plain(value: object) -> str:
    """A number as short as a picture needs it."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
