"""One conversion at a time in a folder: a lock of the operating system, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from edge.errors import UsageError
from edge.write.files import mapped

LOCK = "at-work.lock"
_TRIES = 100
_FAR = 2**30
"""Windows lets nobody read a byte that is locked: the one that is lies behind the words."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_WORDS_BYTES = 500


@contextlib.contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Hold `folder` for this process; nobody else writes a conversion there meanwhile.

    The folder is made where it is missing, and removed where nothing came into it.

    Parameters
    ----------
    folder : Path
        The ``--out`` of a command.
    doing : str
        What is done there, in words for whoever comes second, such as ``building net.onnx``.

    Raises
    ------
    UsageError
        Somebody else is at work there, or its file system knows no locks.
    edge.errors.OutputError
        The folder cannot be made or written to.
    """
    new = not folder.exists()
    file = _taken(folder, doing)
    try:
        with mapped(folder):
            _say(file, doing)
        yield
    finally:
        _given_back(file, folder)
        if new:
            with contextlib.suppress(OSError):  # something came into it
                folder.rmdir()


def _taken(folder: Path, doing: str) -> IO[bytes]:
    """The file whose lock is held: a loser may find that the winner has removed it meanwhile, and tries again."""
    path = folder / LOCK
    for _ in range(_TRIES):
        with mapped(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("a+b")
            except FileNotFoundError:
                continue
        try:
            _lock(file.fileno())
        except OSError as error:
            words = _read(file)
            file.close()
            raise _busy(folder, doing, words, error) from error
        if _is_there(file, path):
            return file
        file.close()
    raise UsageError(f"{doing[:1].upper()}{doing[1:]} into {folder}: others come and go there. Try again.")


def _is_there(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _busy(folder: Path, doing: str, words: str, error: OSError) -> UsageError:
    begun = f"{doing[:1].upper()}{doing[1:]} into {folder}"
    if error.errno not in _HELD:
        return UsageError(
            f"{begun}: its file system has no locks ({error.strerror}), which keep two conversions apart. Choose a"
            " folder on a disk of this machine."
        )
    return UsageError(
        f"{begun}: found another edgerun-convert at work there{words and f' ({words})'}, expected none. Wait until it"
        " is done, or give another --out."
    )


def _say(file: IO[bytes], doing: str) -> None:
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    file.truncate(0)
    file.write(f"{doing}, process {os.getpid()} on {platform.node()}, since {since}".encode()[:_WORDS_BYTES])
    file.flush()


def _read(file: IO[bytes]) -> str:
    """What the holder says of itself; nothing in the moment before it has said it."""
    file.seek(0)
    return " ".join(file.read(_WORDS_BYTES).decode(errors="replace").split())


def _given_back(file: IO[bytes], folder: Path) -> None:
    """Remove the file while its lock is held; Windows removes none that is open, and only then."""
    path = folder / LOCK
    ours = _is_there(file, path)
    if sys.platform == "win32":
        file.close()
    with contextlib.suppress(OSError):  # somebody else has opened it meanwhile, and removes it
        if ours:
            path.unlink()
    file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_END)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
