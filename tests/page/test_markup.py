"""Elements: what is text is escaped, what is markup is not."""

from __future__ import annotations

from edge.page.markup import Markup, element, joined


def test_text_is_escaped_and_markup_is_not() -> None:
    assert joined("<", Markup("<b/>"), "&") == "&lt;<b/>&amp;"
    assert element("p", title='"<>', hidden=None) == '<p title="&quot;&lt;&gt;"/>'
    assert element("text", x=1.50, y=2) == '<text x="1.5" y="2"/>'
