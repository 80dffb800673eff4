"""Pages of a stack."""

from __future__ import annotations

from PySide6.QtWidgets import QStackedLayout, QStackedWidget, QWidget


def show_page(stack: QStackedWidget | QStackedLayout, page: QWidget, focus: QWidget | None = None) -> None:
    """Show a page of a stack. A focus on the page before goes to the widget given, or to none: Qt would
    give it to the first button of the new page, which Space would press."""
    before, held = stack.currentWidget(), page.window().focusWidget()
    if before is None or before is page or held is None or not (held is before or before.isAncestorOf(held)):
        stack.setCurrentWidget(page)
        return
    held.clearFocus()
    stack.setCurrentWidget(page)
    if focus is not None:
        focus.setFocus()
