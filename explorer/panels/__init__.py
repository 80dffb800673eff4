"""One file a panel; panels meet only in the session."""
