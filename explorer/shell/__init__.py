"""The window: its docks, menus and dialogs, which panels a run brings, and a second map beside the first."""
