"""Data: loading of known data sets, image folders and archives; batches, normalization and augmentation.

sample            one input, usually an image, with its label or targets
label             index of the class of a sample, from 0
targets           numbers to predict for a sample, or a 0 or 1 for each of several labels
set               training, validation or test samples
known data set    data set that can be loaded by name, such as "mnist" (see `known`)
IDX               file format of MNIST (see `idx`)

Pillow, rich and urllib are imported only when needed.

Imports: errors, _io, core.
"""

from typing import TYPE_CHECKING

from chainrule.core.lazy_methods import module_attributes

if TYPE_CHECKING:
    from chainrule.data.augmentation import Augmentation as Augmentation
    from chainrule.data.dataset import Dataset as Dataset
    from chainrule.data.dataset import batch_count as batch_count
    from chainrule.data.dataset import order as order
    from chainrule.data.idx import read_idx as read_idx
    from chainrule.data.images import load_image as load_image
    from chainrule.data.inputs import as_mnist as as_mnist
    from chainrule.data.inputs import load_digit as load_digit
    from chainrule.data.known import DatasetInfo as DatasetInfo
    from chainrule.data.known import catalogue as catalogue
    from chainrule.data.known import clear as clear
    from chainrule.data.loading import known_names as known_names
    from chainrule.data.loading import load as load
    from chainrule.data.loading import load_test as load_test
    from chainrule.data.normalization import Normalization as Normalization
    from chainrule.data.splits import split_validation as split_validation
    from chainrule.data.splits import validation_count as validation_count

__getattr__, __dir__ = module_attributes(
    __name__,
    {
        "augmentation": "Augmentation",
        "dataset": "Dataset batch_count order",
        "idx": "read_idx",
        "images": "load_image",
        "inputs": "as_mnist load_digit",
        "known": "DatasetInfo catalogue clear",
        "loading": "known_names load load_test",
        "normalization": "Normalization",
        "splits": "split_validation validation_count",
    },
)
