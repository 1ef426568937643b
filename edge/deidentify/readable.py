"""The elements of a data set that pydicom can make sense of; what it cannot is no reason to fail, and goes."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID


def element_of(dataset: Dataset, tag: int) -> DataElement | None:
    """Return an element; None where its bytes are no value of its representation."""
    try:
        return dataset[tag]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- pydicom documents no set of errors for malformed values
        return None


def everything(dataset: Dataset) -> Iterator[DataElement]:
    """Yield every element that can be read, at any depth, of the standard's own."""
    for tag in sorted(dataset.keys()):
        element = None if tag.is_private else element_of(dataset, tag)
        if element is None:
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from everything(item)


def texts(element: DataElement) -> list[str]:
    """Return the values of an element as text, one for each, none where it is empty."""
    value = element.value
    if value is None or value == "":
        return []
    if isinstance(value, (bytes, bytearray)):
        return [bytes(value).decode("latin-1").strip(" \0")]
    many = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return [str(one).strip(" \0") for one in many]


def values_of(dataset: Dataset, keyword: str) -> list[str]:
    """Return the values of an attribute as text, none where it is missing, empty or malformed."""
    tag = tag_for_keyword(keyword)
    element = element_of(dataset, tag) if tag is not None and tag in dataset else None
    return [] if element is None or element.VR == "SQ" else texts(element)


def told(dataset: Dataset, keyword: str) -> str:
    """Return the first value of an attribute as text, empty where there is none that can be read."""
    return (values_of(dataset, keyword) or [""])[0]


def uid_name(uid: str) -> str:
    """Return the name of a UID of the standard's own register, PS3.6 Annex A; empty for any other."""
    name = UID(uid).name
    return "" if name == uid else name
