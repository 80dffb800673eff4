"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from backends.base import InputError

_ABANDONED_S = 600.0  # no save takes this long: an older temporary file was left by a process that was killed


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of ``path`` when the block ends well.

    The bytes go to a temporary file beside it, are flushed to the disk, and the file is then renamed: after
    an error, an interruption or a power cut ``path`` is the old file or the new one, never a part of either.
    Raises InputError, in one sentence, where the system will not have it (full disk, no such folder, …).
    """
    target = Path(os.path.realpath(path))  # through a link, so that the link stays one
    check_writable(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        sweep(target.parent, target.name)
        try:
            # "x", not tempfile: that would make every saved file readable by its owner alone
            with open(temporary, "xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            with suppress(OSError):
                os.chmod(temporary, target.stat().st_mode & 0o777)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {_reason(error)}") from error


def check_writable(path: str | Path) -> None:
    """Raise InputError where :func:`replacing` is sure to; ask before a long computation, not after."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(f"cannot write '{path}': it is a folder")
    if not target.parent.is_dir():
        raise InputError(f"cannot write '{path}': there is no folder '{target.parent}'")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"cannot write '{path}': permission denied")


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return error.strerror or str(error)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what a process that was killed in the middle of a save, of a file of that name or of any, left
    behind in a folder."""
    prefix = f".{name}." if name else "."
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(".tmp"):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > _ABANDONED_S:
                        os.unlink(entry.path)


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable; not every system can (Windows does not let a folder be opened)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
