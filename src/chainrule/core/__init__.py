"""The plan of a model, shapes, and random numbers, used by all other packages.

Imports: errors.
"""
