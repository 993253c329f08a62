"""The interactive page, which shows how each value of a training step is computed, and its server.

Imports: errors, _io, core, operations, engines, data, training, explain, models, runs, zoo.
"""
