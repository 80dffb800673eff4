"""Pages in one place, of which one is seen."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
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


class Pages(QWidget):
    """As large as the largest page asks for, whichever is seen. Going to another lays out nothing around it;
    a stacked layout would have the whole window laid out."""

    def __init__(self, parent: QWidget, *pages: QWidget) -> None:
        super().__init__(parent)
        self._pages = pages
        for index, page in enumerate(pages):
            page.setParent(self)
            page.setVisible(index == 0)
        self._asked = self._hints()

    def show_page(self, index: int) -> None:
        """Let this one be seen."""
        for other, page in enumerate(self._pages):
            page.setVisible(other == index)

    def sizeHint(self) -> QSize:
        return self._largest([page.sizeHint() for page in self._pages])

    def minimumSizeHint(self) -> QSize:
        return self._largest([page.minimumSizeHint().expandedTo(page.minimumSize()) for page in self._pages])

    @staticmethod
    def _largest(sizes: list[QSize]) -> QSize:
        out = QSize(0, 0)
        for size in sizes:
            out = out.expandedTo(size)
        return out

    def _hints(self) -> tuple[QSize, QSize]:
        return self.sizeHint(), self.minimumSizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for page in self._pages:
            page.setGeometry(self.rect())

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and (hints := self._hints()) != self._asked:
            self._asked = hints
            self.updateGeometry()
        return super().event(event)
