"""Export of models as C programs without dependencies: one C99 file and its header, with an example and build files.

For each operation of a plan, the exporter writes one or more calls of C functions. Terms of this package:

arena     one array for all activations. Activations that are not needed at the same time share memory in it
packed    parameters reordered so that vector instructions can load them from adjacent memory
vectors   SIMD instructions. A build without vectors computes one float at a time
sliding   C struct with the sizes of a convolution or pooling
int8      a quantized model: its weights and activations are 8-bit integers
"""

from chainrule.interop.c.exporter import CFiles, write_c
from chainrule.interop.c.quantized import Quantized

__all__ = ["CFiles", "Quantized", "write_c"]
