"""Plans of models, shapes, and random numbers, used by all other packages.

Imports: errors.
"""
