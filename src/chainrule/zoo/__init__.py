"""The zoo: named networks with their recipes, networks defined in files, and pretrained networks.

An entry (`Entry`) describes one network: its layers, its recipe, the data set, and the test accuracy that the recipe is
to reach.

Imports: errors, _io, core, layers, data, network, training, models, runs.
"""

from chainrule.zoo.entries import ENTRIES, NAMED, find
from chainrule.zoo.entry import Entry, Target

__all__ = ["ENTRIES", "NAMED", "Entry", "Target", "find"]
