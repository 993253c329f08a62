"""The interactive page that explains every value of a training step, and its server.

Imports: errors, _io, core, operations, engines, data, training, explain, models, runs, zoo.
"""
