"""Keras: import of networks and weights from `.keras` and `.h5` files."""
