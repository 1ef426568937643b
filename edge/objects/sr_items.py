"""Words and codes -> the content items that hold them, PS3.3 C.17.3."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.coding import Code

from edge.objects.sr_codes import concept, language_code
from edge.words import ENGLISH, language_spoken

CONTAINS = RelationshipTypeValues.CONTAINS


def container(name: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    """Return a container of these items."""
    item = ContainerContentItem(name=concept(name), relationship_type=CONTAINS)
    item.ContentSequence = ContentSequence(items)
    return item


def coded(name: Code, value: Code) -> CodeContentItem:
    """Return a question with a coded answer."""
    return CodeContentItem(name=concept(name), value=concept(value), relationship_type=CONTAINS)


def text(name: Code, value: str) -> TextContentItem:
    """Return words in the language that is spoken."""
    return TextContentItem(name=concept(name), value=value, relationship_type=CONTAINS)


def english(name: Code, value: str) -> TextContentItem:
    """Return words that no catalogue has, which say so where the report is in another language (TID 1204)."""
    item = text(name, value)
    if language_spoken() != ENGLISH:
        item.ContentSequence = ContentSequence([*LanguageOfContentItemAndDescendants(concept(language_code("en")))])
    return item
