"""Export of models as C programs without dependencies: one C99 file and its header, with an example and build files.

The exporter walks the operations of a plan, as the interpreter does, and writes a call of a C function for each.
"""

from chainrule.interop.c.exporter import CFiles, write_c
from chainrule.interop.c.quantized import Quantized

__all__ = ["CFiles", "Quantized", "write_c"]
