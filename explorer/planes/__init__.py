"""Planes, and what is drawn on them. Computed in exploration."""
