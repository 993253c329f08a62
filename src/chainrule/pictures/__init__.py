"""Pictures: learning curves, kernels, confusion matrices, mistakes; how they are saved and shown in a notebook.

Nothing here touches global state (no pyplot), and matplotlib is imported when the first picture is drawn.
"""

from chainrule.pictures.confusion import confusion_matrix
from chainrule.pictures.curves import compare_curves, learning_curves
from chainrule.pictures.files import png, save
from chainrule.pictures.kernels import kernel_grid
from chainrule.pictures.mistakes import batch_grid, mistakes
from chainrule.pictures.notebook import image, table

__all__ = [
    "batch_grid",
    "compare_curves",
    "confusion_matrix",
    "image",
    "kernel_grid",
    "learning_curves",
    "mistakes",
    "png",
    "save",
    "table",
]
