"""Pictures: learning curves, kernels, confusion matrices, mistakes; how they are saved and shown in a notebook.

Nothing here touches global state (no pyplot), so figures may be drawn in several threads; matplotlib is imported when
the first one is drawn.
"""

from chainrule.pictures import confusion, curves, files, kernels, mistakes, notebook

__all__ = ["confusion", "curves", "files", "kernels", "mistakes", "notebook"]
