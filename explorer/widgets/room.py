"""Room that is kept for what comes and goes, so that nothing jumps."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget


def keep_room(*widgets: QWidget) -> None:
    """Let each take as much room while it is hidden as when it is seen."""
    for widget in widgets:
        policy = widget.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        widget.setSizePolicy(policy)
