"""Training: losses, optimizers, schedules, tasks, callbacks, evaluation, and the loop.

The network is passed in; `models` is imported only for type annotations.

Imports: errors, _io, core, custom, engines, plotting, layers, data.
"""
