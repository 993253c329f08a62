"""Passes: turn a plan into the steps of a program, rewrite them, and check the result. They may import `kernels`.

steps         operations with their kernels and their division among threads; kernel selection
rewriting     the order of the passes up to fusion; pooling moved before activations; fusion of activations with kernels
simplifying   operations on several arrays, replaced by one operation per array; convolutions by dense layers
batch_norm    gradients joined into one step; normalization applied by convolutions, or split into steps
sharing       large layers and large gradients that are divided among threads
segments      division of the steps into segments, which each thread computes block by block
packing       weights that inference packs once for many calls
memory        workspaces, chunks of the batch, and parts of the parameters
verification  checks of shapes

Terms of this package:

x, y          input and result of an operation; dx, dy and dw are the gradients of the loss with respect to x, y and the
              weights
scope         "sample": each thread computes the step for its own samples. "batch": the step needs the whole batch. In a
              program for one sample, "batch" means that the step is divided among the threads
chunk         what one thread computes at a time: some samples of the batch; or, if the threads share a step, some
              filters, channels or rows of its result
continue      a thread continues with the next step if it applies that step to its own chunk of the previous result,
              without waiting for the other threads
tap           position of one weight in the window of a convolution
storage       name of the memory of a tensor; all views of an array have the same storage
phase         elements of an image whose indices have the same remainders modulo the stride; see `kernels/layout.py`
end           of a plan: its output, target, loss or array of correct predictions, which the caller provides or reads
deferred      of a step: it updates running statistics, after all others and only if the loss and gradients are finite
shard         part of a batch that a process or device computes alone; a sharded plan is the plan of one shard
work          estimated cost of a layer for one sample; 1 is the least work that is divided among threads
"""
