"""Convolutional neural networks worked out by hand."""
