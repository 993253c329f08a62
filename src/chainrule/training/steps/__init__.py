"""Training steps. `selection.make_stepper` combines a `Stepper` with what the options require.

base        what a stepper receives and returns
stepper     whole steps as one program of the engine, or a gradient and then a separate update
gradients   sources of this gradient: the whole batch, or gradient accumulation
sharding    the same for batches that are divided into shards, on several workers
selection   choice of the source and the program
"""
