"""Networks exported to C, compiled with gcc and called image by image on one thread."""

import ctypes
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.contenders import Task
from benchmarks.contenders.expected import Predictions
from chainrule.engines.protocol import Array
from chainrule.interop.c import Quantized, write_c

FLAGS = ("-std=c99", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
LOOP = """#include "network.h"
static float arena[NETWORK_ARENA_BYTES / sizeof(float)] __attribute__((aligned(64)));

void run_all(const float *images, float *outputs, int count)
{
    for (int n = 0; n < count; n++)
        network_run(arena, images + n * NETWORK_INPUTS, outputs + n * NETWORK_OUTPUTS);
}
"""


class Inference(Predictions):
    """Timed calls of `network_run`, one for each image of a batch."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._x = np.ascontiguousarray(self._x, np.float32)
        self._outputs = np.empty((task.batch, *self._network.output_shape), np.float32)
        self._integers = Quantized(self._network, self._given.x) if task.who == "c-int8" else None
        with tempfile.TemporaryDirectory() as folder:
            write_c(self._network, folder, int8=self._integers)
            (Path(folder) / "loop.c").write_text(LOOP)
            library = Path(folder) / "network.so"
            sources = ("network.c", "loop.c", "-o", str(library), "-lm")
            subprocess.run(["gcc", *FLAGS, *sources], cwd=folder, check=True)
            function = ctypes.CDLL(str(library)).run_all
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (self._x, self._outputs))
        self._run_all = partial(function, *pointers, len(self._x))  # pointers take microseconds to create

    def outputs(self) -> Array:
        """Return the outputs for the batch."""
        self._run_all()
        return self._outputs

    def expected(self) -> Array:
        """Return the expected outputs, which are rounded by int8 arithmetic."""
        return self._integers.predict(self._x).reshape(self._outputs.shape) if self._integers else super().expected()
