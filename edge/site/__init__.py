"""A pack at one site: how well it does on that site's labelled scans, and thresholds that were set by these.

table -> examine -+-> judged (labels)            -+-> evaluation -> page
                  +-> outlines -> structures     -+
                  +-> boxes -> faint -> finds    -+
                  |
                  +-> judged -> proposal -> kept -> used by every later run
"""

# ruff: noqa: A005 - it is imported as edge.site alone
