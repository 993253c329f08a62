"""Training: losses, optimizers, schedules, tasks, callbacks, evaluation, and the loop.

A network is passed in; `models` is imported for its types alone.

Imports: errors, _io, core, custom, engines, plotting, layers, data.
"""
