"""Plans of models, shapes and types of arrays, random numbers, options. Used by all other packages.

Imports: errors.
"""
