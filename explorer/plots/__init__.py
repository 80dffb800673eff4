"""Drawing: curves, fields, points. Nothing here knows a model."""
