"""The words that manifests are made of: names, texts, files, hashes, shares."""

from __future__ import annotations

from typing import Annotated, Literal

from edge.typed import Between, Matches

Name = Annotated[str, Matches(r"[a-z0-9]+([-_][a-z0-9]+)*", "lower-case words joined by hyphens")]
Text = Annotated[str, Matches(r"[\s\S]*\S[\s\S]*", "a text that is not empty")]
Sha256 = Annotated[str, Matches(r"[0-9a-f]{64}", "64 hexadecimal digits")]
File = Annotated[
    str,
    Matches(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", "a plain relative path with /"),
]
Share = Annotated[float, Between(0.0, 1.0)]
Size = Annotated[int, Between(1, 65536)]
Precision = Literal["fp32", "fp16", "int8"]
Urgency = Literal["routine", "soon", "urgent"]
URGENCIES: tuple[Urgency, ...] = ("routine", "soon", "urgent")
"""In rising order."""
ALL = "all"
"""Stands for all labels together where a figure is of them."""
