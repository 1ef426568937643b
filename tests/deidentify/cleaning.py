"""Data sets cleaned in this process, as the child cleans files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, config, dcmread

from edge.deidentify.contract import Cleaned
from edge.deidentify.instance import Task, deidentify
from edge.deidentify.secret import Secret
from edge.deidentify.table import Keep
from edge.deidentify.wishes import Wishes
from edge.read.dicom.boundary import quiet
from tests.read.dicom_files import STUDY, picture

SECRET = Secret(bytes(range(32)))


def task(*keep: Keep, secret: Secret = SECRET, links: bool = False) -> Task:
    """How files are cleaned where pictures are left as they are."""
    wishes = Wishes(keep=keep, burned_in="keep", looks=False)
    return Task(secret=secret, wishes=wishes, links=links, version="1.2.3", limit_bytes=1 << 24)


def film(**elements: Any) -> Dataset:
    """A small radiograph of somebody."""
    dataset = picture(np.arange(20, dtype=np.uint8).reshape(4, 5))
    dataset.StudyInstanceUID, dataset.PatientID = STUDY, "4711"
    with lenient():
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
    return dataset


@contextmanager
def lenient() -> Iterator[None]:
    """Let pydicom take and write values that no standard allows."""
    with quiet(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
        yield


def cleaned_bytes(dataset: Dataset, folder: Path, how: Task | None = None) -> tuple[Cleaned, bytes]:
    """What was done to a data set that is written to a folder first, and the bytes of the new file."""
    path = folder / "source.dcm"
    with lenient():
        dataset.save_as(path, enforce_file_format=True)
        cleaned, data = deidentify(str(path), how or task())
    return cleaned, bytes(data)


def cleaned(dataset: Dataset, folder: Path, *keep: Keep, secret: Secret = SECRET) -> Dataset:
    """The new data set."""
    _, data = cleaned_bytes(dataset, folder, task(*keep, secret=secret))
    return dcmread(io.BytesIO(data))
