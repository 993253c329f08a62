"""Training: optimizers, schedules, callbacks, evaluation, and the training loop, on networks of `network`.

step         update of the parameters with the gradient of one batch
metric       accuracy, label accuracy or mean absolute error, depending on the task (see `tasks`)
plan         list of the operations of a step, from the forward pass to the gradient (`core.plan`)
statistics   running means and variances of the batch normalizations
flat array   array (P,) with one element per parameter: the parameters themselves, their gradient, or a moment
moments      flat arrays that an optimizer updates together with the parameters, such as the velocity of momentum
worker       one of several processes that train together (see `workers`)
shard        part of a batch; each shard is computed by a single worker

Imports: errors, _io, core, custom, engines, layers, data, network.
"""
