"""The page that shows every number of a training step being made, and what serves it."""
