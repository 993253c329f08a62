"""Training steps.

gradients   batches, the outcome of a step, and sources of the gradient: the whole batch, or gradient accumulation
sharding    the same for batches that are divided into shards, on several workers
stepper     whole steps as one program of the engine, or a gradient and then a separate update
"""
