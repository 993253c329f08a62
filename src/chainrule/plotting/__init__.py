"""Plots of learning curves, kernels, confusion matrices and mistakes, as PNG files or in notebooks.

Figures can be drawn in several threads, since they use no global state (no pyplot). matplotlib is imported when the
first figure is drawn.

Imports: errors, version, _io, core, engines, data, network, training, models.
"""
