"""Named networks with their recipes, networks defined in files, and pretrained networks.

Imports: errors, _io, core, layers, data, training, models, runs.
"""

from chainrule.zoo.entries import ENTRIES, NAMED, Entry, Target, find

__all__ = ["ENTRIES", "NAMED", "Entry", "Target", "find"]
