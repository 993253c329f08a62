"""Passes: turn a plan into the steps of a program, rewrite them, and check the result. They may import `kernels`.

steps         operations with their kernels and the division among threads; kernel selection
rewriting     the order of the passes; pooling before activations, activations within the preceding kernel
branches      replaces operations on any number of arrays, and removes copies
batch_norm    joint gradients, normalization within convolutions, division at the sums over the batch
sharing       large layers and large gradients, which threads share
segments      runs of steps that a thread applies to its samples
verification  checks of shapes and buffers
"""
