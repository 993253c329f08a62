"""Import of networks and weights from Keras files (.keras and .h5)."""
