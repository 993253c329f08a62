"""Data: loading of known data sets, image folders and archives; batches, normalization and augmentation.

sample            one input, usually an image, with its label or targets
label             index of the class of a sample, from 0
targets           numbers to predict for a sample, or a 0 or 1 for each of several labels
set               training, validation or test samples
known data set    data set that can be loaded by name, such as "mnist" (see `catalogue`)
IDX               file format of MNIST (see `idx`)
inventory         list of the used and unused files of an image folder

Pillow, rich and urllib are imported only when needed.

Imports: errors, _io, core, plotting.
"""

from chainrule.core.words import module_attributes
from chainrule.data.augmentation import Augmentation, Views
from chainrule.data.catalogue import DatasetInfo, catalogue, clear
from chainrule.data.dataset import Dataset, batch_count, order, split_validation, validation_count
from chainrule.data.folder import load_folder
from chainrule.data.idx import read_idx
from chainrule.data.images import load_image
from chainrule.data.inputs import as_mnist, load_digit
from chainrule.data.inventory import Inventory
from chainrule.data.loading import known_names, load
from chainrule.data.normalization import Normalization
from chainrule.data.npz import load_npz

__getattr__ = module_attributes(__name__)
__all__ = [
    "Augmentation",
    "Dataset",
    "DatasetInfo",
    "Inventory",
    "Normalization",
    "Views",
    "as_mnist",
    "batch_count",
    "catalogue",
    "clear",
    "known_names",
    "load",
    "load_digit",
    "load_folder",
    "load_image",
    "load_npz",
    "order",
    "read_idx",
    "split_validation",
    "validation_count",
]
