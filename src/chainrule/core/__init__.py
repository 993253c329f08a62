"""Plans of models, shapes, random numbers, and common words for options, used by all other packages.

Imports: errors.
"""
