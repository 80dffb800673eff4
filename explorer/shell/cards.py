"""Going from card to card of a window by keys."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow, QWidget

from explorer.widgets.card import CardDock


def in_front(dock: CardDock) -> bool:
    """Whether a card is seen: there, and not behind the tab of another."""
    return not dock.visibleRegion().isEmpty()


def go_on(window: QMainWindow, step: int) -> None:
    """Give the keyboard to the card that is so many further on, from left to right."""
    seen = [dock for dock in window.findChildren(CardDock) if in_front(dock)]
    cards = sorted(seen, key=lambda dock: (dock.x(), dock.y()))
    focus = window.focusWidget()
    here = next((i for i, dock in enumerate(cards) if focus and dock.isAncestorOf(focus)), -1)
    any(take_keyboard(cards[(here + step * i) % len(cards)]) for i in range(1, len(cards) + 1))


def take_keyboard(dock: CardDock) -> bool:
    """Give a card the keyboard: what had it there last, or the first that takes it; False for none."""
    last = dock.focusWidget()
    controls = ([last] if last else []) + dock.findChildren(QWidget)
    free = (w for w in controls if w.isEnabled() and w.isVisibleTo(dock))
    first = next((w for w in free if w.focusPolicy() & Qt.FocusPolicy.TabFocus), None)
    if first is not None:
        first.setFocus(Qt.FocusReason.TabFocusReason)
    return first is not None
