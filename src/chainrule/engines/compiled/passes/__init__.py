"""Passes: turn a plan into the steps of a program, rewrite them, and check the result. May import `kernels`.

steps         an operation with its kernel and how threads share it; kernel selection
rewriting     the passes in their order
branches      operations on a fixed number of arrays, no copies
fusing        pooling before activations, activations within the kernel before them
batch_norm    joint gradients, normalization within convolutions, division at the sums over the batch
sharing       large layers and large gradients, which threads share
segments      runs of steps that a thread applies to its samples
verification  checks of shapes and buffers
"""
