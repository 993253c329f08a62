"""Training steps: one class for each strategy, chosen by `selection.make_stepper`.

base           interface for the training loop
program_step   whole steps, including the update, as one program of the engine
gradient_step  gradient from the engine, then a separate update by a built-in or custom optimizer
gradients      sources of this gradient: the whole batch, gradient accumulation, or shards on several workers
sharding       gradients of batches that are divided into shards
selection      choice of the strategy
"""
