"""What a panel draws of a model, computed in exploration."""
