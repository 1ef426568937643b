"""The one place where pydicom and the decoders are called under guard: whatever they raise becomes a `ReadError`."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config

from edge.errors import ReadError
from edge.reasons import NOT_READABLE, TOO_LARGE, Reason


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom silent and lenient: its warnings and log lines quote values, which are patient data."""
    logger = logging.getLogger("pydicom")
    level, mode = logger.level, config.settings.reading_validation_mode
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = mode


@contextmanager
def guarded(doing: str, reason: Reason) -> Iterator[None]:
    """Turn what a third party raises into a `ReadError` with `reason`; `doing` opens the message.

    The third party's own message is left to the chained exception: it may quote the patient's data.
    """
    try:
        yield
    except ReadError:
        raise
    except MemoryError as error:
        raise ReadError(f"{doing}: there was not enough memory.", TOO_LARGE) from error
    except OSError as error:
        # pydicom seeks to where a malformed length points, which the system calls an invalid argument.
        cause = reason if error.errno in (None, errno.EINVAL) else NOT_READABLE
        raise ReadError(f"{doing}: the file could not be read ({type(error).__name__}).", cause) from error
    # pydicom and the decoders document no set of errors for malformed values: ValueError, TypeError, KeyError,
    # AttributeError, NotImplementedError, struct.error, RecursionError and more were all seen with mutated files.
    except Exception as error:
        raise ReadError(f"{doing}: found something malformed ({type(error).__name__}).", reason) from error
