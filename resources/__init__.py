"""Files that come with the program, found through one function wherever they lie."""

from pathlib import Path


def resource(name: str) -> Path:
    """The path of a file that is shipped with the program."""
    return Path(__file__).resolve().parent / name
