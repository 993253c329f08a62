"""Named networks with their recipes, networks defined in files, and pretrained networks as a start.

May import everything but `check`, `sklearn`, `web` and `cli`.
"""

from chainrule.zoo.entries import ENTRIES, NAMED, Entry, Target, find

__all__ = ["ENTRIES", "NAMED", "Entry", "Target", "find"]
