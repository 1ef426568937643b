"""What a result says of the threshold that was set at this site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from edge.pack.words import Sha256, Share, Text
from edge.typed import Between
from edge.words import message, say, with_decimal_sign

if TYPE_CHECKING:
    from edge.write.report import ResultReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLabelReport:
    """The threshold of one label, by which rule it was chosen, and on how many patients with and without it."""

    threshold: Share
    rule: Text
    positives: Annotated[int, Between(1, 10**9)]
    negatives: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """That thresholds of this site, and not the pack's own, decided what was said.

    Parameters
    ----------
    file_sha256 : str
        Of the file that holds them.
    table_sha256 : str
        Of the table with the truth.
    decided_utc : str
        ISO 8601.
    labels : mapping
        By name; of a label that is not there the pack's own threshold holds.
    """

    file_sha256: Sha256
    table_sha256: Sha256
    decided_utc: Text
    labels: Mapping[str, SiteLabelReport]


def threshold_word(site: SiteReport | None, label: str) -> str:
    """Return what the threshold of a label is called: a site's own is never passed off as the pack's."""
    return message("site threshold") if site is not None and label in site.labels else message("threshold")


def site_lines(result: ResultReport) -> list[str]:
    """Return a sentence for each label whose threshold was set at this site."""
    if result.site is None or result.findings is None:
        return []
    site = result.site
    titles = (
        {label.name: label.title for label in result.findings.labels}
        if result.findings.kind == "classification"
        else {}
    )
    words = message(
        "The threshold of {title}, {threshold}, was set at this site on {date} from {positives} patients with it and "
        "{negatives} without: {rule} (file {file})."
    )
    return [
        say(
            words,
            title=titles.get(name, name),
            threshold=with_decimal_sign(f"{told.threshold:g}"),
            date=site.decided_utc[:10],
            positives=told.positives,
            negatives=told.negatives,
            rule=told.rule,
            file=site.file_sha256[:8],
        )
        for name, told in site.labels.items()
    ]
