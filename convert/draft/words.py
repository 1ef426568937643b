"""How a draft spells a value in TOML, and what it asks a person to fill in."""

from __future__ import annotations

import json
import re

PLACEHOLDER = "FILL IN"


def unfilled(what: str, makers: str = "") -> str:
    """Return a value that a person must replace; `makers` is quoted in it and not taken for true."""
    return toml(f"{PLACEHOLDER}: {what}" + (f". Its makers say: {makers}" if makers else ""))


def slug(text: str) -> str:
    """Return the text in the form of a name: lower-case words joined by hyphens.

    Examples
    --------
    >>> slug("Left Lung!")
    'left-lung'
    """
    return "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "unnamed"


def toml(text: str) -> str:
    """Return a basic string (https://toml.io/en/v1.0.0#string): JSON's but for DEL and halves of characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def comment(text: str) -> str:
    """Return the text as one line that may stand behind ``#``."""
    return " ".join(text.split()).translate(dict.fromkeys([*range(32), 127]))
