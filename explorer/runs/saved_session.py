"""A saved session: what was set, how the window was arranged, and which run was open, in a file of JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

from backends.atomic import replacing
from backends.base import InputError
from explorer.settings import Settings, from_plain, plain

SUFFIX = ".session"
_MARK, _VERSION = "latent_explorer_session", 1
_LARGEST = 2**24  # bytes; pins and paths make no larger one


def write_session(path: Path, settings: Settings, run: Path) -> None:
    """Write a session whose run is in the file ``run``: where both lie in one folder they can move together.
    Raises InputError where the system refuses."""
    folder = path.resolve().parent
    place = run.resolve()
    raw = {_MARK: _VERSION, "run": os.path.relpath(place, folder) if folder in place.parents else str(place)}
    raw |= plain(settings)
    del raw["recent"]
    with replacing(path) as file:
        file.write(json.dumps(raw, indent=1).encode())


def read_session(path: Path) -> tuple[Settings, Path]:
    """The settings and the run's file; raises InputError, in a sentence, for what is no session."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"'{path}' is too large for a session")
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: it is no JSON") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("run"), str):
        raise InputError(f"'{path}' is no saved session")
    if raw.get(_MARK) != _VERSION:
        raise InputError(f"'{path}' is a session of another version of the program")
    run = path.resolve().parent / raw["run"]
    if not run.is_file():  # nor anything else that could not be read to its end
        raise InputError(f"the run of '{path}' is not there any more: {raw['run']!a}")
    return from_plain(raw), run
