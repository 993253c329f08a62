"""The plan of a model, shapes, and random numbers: what every other package builds on.

May import `errors` and `_io`.
"""
