"""Kernels of every operation, in the subset of Python that `compiler` compiles, and the choice between them.

May import `compiler`.
"""
