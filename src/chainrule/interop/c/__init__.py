"""Export of models as C programs without dependencies: one C99 file and its header, with an example and build files.

Like the interpreter, the exporter goes through the operations of a plan. It writes a C call for each operation.
"""

from chainrule.interop.c.exporter import CFiles, write_c
from chainrule.interop.c.quantized import Quantized

__all__ = ["CFiles", "Quantized", "write_c"]
