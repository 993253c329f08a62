"""Measured gain of each optimization of the compiled engine: what a network costs when one of them is disabled.

ablations   the optimizations, and how to disable each
variants    programs of a network with and without an optimization, and their timing
results     file of measurements, and the table with geometric means
"""
