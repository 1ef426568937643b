"""The conversion report as one HTML file without network: what a hospital reads before it uses a smaller model."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from convert.document import Conversion
from convert.report import figures
from convert.report.page import page_of
from convert.report.wording import metric_title
from edge.pack.manifest import Manifest

TEMPLATE = "report.html.jinja"


def render(conversion: Conversion, manifest: Manifest) -> str:
    """Return the report as HTML5: no script, no address outside the file, every plot within it.

    The same conversion and manifest give the same text, under the same matplotlib.

    Parameters
    ----------
    conversion : Conversion
        What was made and measured.
    manifest : Manifest
        Of the pack: titles of labels, intended use, limits, licence.
    """
    return _environment().get_template(TEMPLATE).render(page=page_of(conversion, manifest))


def _environment() -> Environment:
    """Every value is escaped, whatever the template's name; a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("convert.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        size=figures.size,
        milliseconds=figures.milliseconds,
        seconds=figures.seconds,
        count=figures.count,
        metric=metric_title,
    )
    return environment
