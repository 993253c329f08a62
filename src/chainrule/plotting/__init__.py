"""Plots of learning curves, kernels, confusion matrices and images, as matplotlib figures or in the user's axes.

Figures can be drawn in several threads, since they use no global state (no pyplot). matplotlib is imported when the
first figure is drawn. Colors and fonts are those of matplotlib's settings.

Imports: errors, version, _io, core, engines, training, models.
"""
