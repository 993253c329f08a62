"""The plan of a model, shapes, and random numbers: what every other package builds on.

Imports: errors.
"""
