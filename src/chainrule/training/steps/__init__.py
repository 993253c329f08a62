"""Training steps: one class for each way of taking a step, chosen in `selection.make_stepper`.

base           the interface that the training loop uses
program_step   the whole step, update included, is one program of the engine
gradient_step  the engine computes the gradient; the update follows separately
gradients      where that gradient comes from: the whole batch, its parts in turn, or shards on several workers
updates        how the parameters then change: by a built-in or a custom optimizer
"""
