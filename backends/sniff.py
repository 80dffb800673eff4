"""What a file is, in words, from its content. Nothing in it is executed or unpacked."""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

_DANGER = "which can run any program when it is opened and is therefore never opened"

_SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture, which can be opened as data"),
    (b"\xff\xd8\xff", "a JPEG picture, which can be opened as data"),
    (b"GIF8", "a GIF picture, which can be opened as data"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a NumPy array (.npy), which can be opened as data"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"GGUF", "a GGUF model"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


def describe(file: BinaryIO) -> str:
    """A phrase such as "a PNG picture", for a file that is open for reading at its start."""
    head = file.read(4096)
    if not head:
        return "empty"
    if head.startswith(b"PK\x03\x04"):
        return _describe_zip(file)
    # pickles: from protocol 2 on with a mark and their version; older ones are text: global, name, …
    if re.match(rb"\x80[\x02-\x05]", head) or re.match(rb"c[\w.]+\n[\w.]+\n", head):
        return f"a Python pickle, {_DANGER}"
    for signature, phrase in _SIGNATURES:
        if head.startswith(signature):
            return phrase
    # protobuf: field 1 (the version of ONNX's format), then the producer's name, domain or graph
    if re.match(rb"\x08[\x01-\x20][\x12\x1a\x22\x3a]", head):
        return "what seems to be an ONNX network"
    if len(head) < 9:
        return "too short"
    if _is_text(head):
        return "a text file"
    return "something unknown"


def _describe_zip(file: BinaryIO) -> str:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "a damaged zip archive"
    leaves = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in leaves:
        return f"a TorchScript program, {_DANGER}"
    if "archive_format" in leaves or "serialized_exported_program.json" in leaves:
        return f"a PyTorch exported program (.pt2), {_DANGER}"
    if "data.pkl" in leaves:
        return f"a PyTorch checkpoint with a Python pickle inside, {_DANGER}"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz), which can be opened as data"
    return "a zip archive"


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; a character may be cut off at the end."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()
    return all(c.isprintable() or c in "\r\n\t\f" for c in text)
