"""Plans of models, shapes, random numbers, and options: checks and common words. Used by all other packages.

Imports: errors.
"""
