"""The interactive page, which shows how each value of a training step is computed, and its server."""
