"""The Qt program. It knows models only by what `backends` publishes."""
