"""Models as C programs without dependencies: one C99 file and its header, with an example and build files.

The exporter walks the operations of a plan, as the interpreter does, and writes a call of a C function for each.
"""

from chainrule.interop.c.quantised import Quantised
from chainrule.interop.c.writing import CFiles, write_c

__all__ = ["CFiles", "Quantised", "write_c"]
