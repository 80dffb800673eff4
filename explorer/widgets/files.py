"""Asking for a file or a folder: in the folder where the last one was."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

_folder = ""  # since the program was started


def ask_open(parent: QWidget, title: str, kinds: str = "") -> str:
    """The path of a file to open; "" where none was chosen. kinds: as in "PNG (*.png);;SVG (*.svg)"."""
    return _chosen(QFileDialog.getOpenFileName(parent, title, _folder, kinds)[0])


def ask_folder(parent: QWidget, title: str) -> str:
    """The path of a folder to open; "" where none was chosen."""
    return _chosen(QFileDialog.getExistingDirectory(parent, title, _folder))


def ask_save(parent: QWidget, title: str, name: str, kinds: str) -> str:
    """The path of a file to write, of this name unless the user says otherwise; "" where none was chosen."""
    return _chosen(QFileDialog.getSaveFileName(parent, title, str(Path(_folder, name)), kinds)[0])


def _chosen(path: str) -> str:
    global _folder
    if path:
        _folder = str(Path(path).parent)
    return path
