"""The data that a run is on, and data of one's own to look at closely."""
