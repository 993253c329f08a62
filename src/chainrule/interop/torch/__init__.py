"""PyTorch: import of state dictionaries, without unpickling anything that could run code."""
