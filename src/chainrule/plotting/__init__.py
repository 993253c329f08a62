"""Plots: learning curves, kernels, confusion matrices, mistakes; saving them, and showing them in a notebook.

No global state is used (no pyplot), so figures may be drawn in several threads. matplotlib is imported when the first
figure is drawn.

Imports: errors, version, _io, engines.
"""

from chainrule.plotting import confusion, curves, figures, kernels, mistakes, notebook

__all__ = ["confusion", "curves", "figures", "kernels", "mistakes", "notebook"]
