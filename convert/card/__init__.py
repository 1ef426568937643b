"""The model card of a pack: JSON by the fields of the CHAI Applied Model Card, and Markdown for people.

The fields are those of the Coalition for Health AI's schema, version 0.2 (``v0.2/schema.xsd`` of
github.com/coalition-for-health-ai/mc-schema, October 2025): its elements in its order, those that may be left out, too.
That schema is of XML and CHAI publishes none of JSON, so that the mapping is ours: an element is a key, a text a text
in Markdown as there, ``MetricResult`` and ``EHR`` are lists. What a ``ValueJson`` holds, CHAI shows by examples alone:
its kinds ``single`` and ``estimate_ci`` are taken from them; the keys beside theirs (``n``, ``data``, ``verdict`` ...)
are ours, and so is null where nothing was measured. ``Bibliography`` is BibTeX and empty: the card cites nothing.

Curves, layers and the search's trail stay in the conversion report. The date does, too: a card is the same bytes twice.
"""

from __future__ import annotations

from typing import Any

from convert.card.facts import facts
from convert.card.figures import key_metrics
from convert.card.form import NOT_STATED, Said, Section, not_stated, to_json, to_markdown
from convert.document import Conversion
from convert.stated import Stated
from edge.errors import UsageError
from edge.pack.manifest import Manifest

__all__ = ["NOT_STATED", "SCHEMA", "card_json", "card_markdown"]

SCHEMA = "https://mc.chai.org/v0.2/schema.xsd"
ROOT = "AppliedModelCard"


def card_json(conversion: Conversion, manifest: Manifest, stated: Stated | None = None) -> dict[str, Any]:
    """Return the card as JSON.

    Parameters
    ----------
    stated : Stated, optional
        What the maker says in the description.

    Returns
    -------
    dict
        ``schema``: the namespace of CHAI's schema; ``AppliedModelCard``: its fields; ``not_stated``: the paths of those
        that say `NOT_STATED`, or that tell only in part.

    Raises
    ------
    UsageError
        The conversion is of another pack than the manifest.
    """
    card = _card(conversion, manifest, stated or Stated())
    return {"schema": SCHEMA, ROOT: to_json(card), "not_stated": ["/".join(lack.keys) for lack in not_stated(card)]}


def card_markdown(conversion: Conversion, manifest: Manifest, stated: Stated | None = None) -> str:
    """Return the card as Markdown (CommonMark with GitHub's tables), ending with a list of what is not stated.

    Raises
    ------
    UsageError
        The conversion is of another pack than the manifest.
    """
    return to_markdown(_card(conversion, manifest, stated or Stated()))


def _card(conversion: Conversion, manifest: Manifest, stated: Stated) -> Section:
    _check(conversion, manifest)
    *before, resources = facts(conversion, manifest, stated)
    bibliography = Said(key="Bibliography", title="Bibliography", literal="")
    return Section(
        key=ROOT,
        title=f"Model card: {manifest.title}",
        parts=(*before, key_metrics(conversion, manifest, stated), resources, bibliography),
    )


def _check(conversion: Conversion, manifest: Manifest) -> None:
    """Refuse to tell of one model with another's figures."""
    pack = conversion.pack
    _same("the pack", f"{pack.name} {pack.version}", f"{manifest.name} {manifest.version}")
    _same("the status", pack.status, manifest.status)
    models = {(model.precision, engine): model for model in manifest.models for engine in model.engines}
    for item in conversion.candidates:
        model = models.get((item.precision, item.engine))
        if model is not None:
            _same(f"the file of {item.name}", item.sha256, model.sha256)
            said = "reference" if item.judgement is None else item.judgement.verdict
            _same(f"the verdict on {item.name}", said, model.verdict)


def _same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise UsageError(
            f"Writing a model card: {what} in the conversion report is {found!r}, expected {expected!r} as in the "
            "manifest. Give the two files that one conversion wrote."
        )
