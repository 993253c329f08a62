"""Write the names and types of the arguments that a program and its functions have."""

from collections.abc import Sequence

from chainrule.engines.compiled.codegen.gradient_lines import GradientLines
from chainrule.engines.compiled.codegen.workspaces import WORKSPACES

# Arguments of the program, in order: the batch, the flat buffers, the workspaces.
BATCH_ARRAYS = ("x", "t", "weights")
DATA = (*BATCH_ARRAYS, "y", "loss", "correct", "sums")
BUFFERS = ("parameters", "statistics")  # and "gradients" in training, or "packed" weights in inference
EDGES = "edges"  # array: the first sample of each chunk, then the number of samples
TIMES = "times"  # of profiled programs: see `stamps`
SPARE = "spare"  # scratch buffer: partial sums, and rows of deferred gradients
THREAD_WORKSPACES = tuple(name for name in WORKSPACES if not name.startswith("batch_"))
# Arrays with one row per chunk or per thread → the row's index in the program.
ROW_INDEX = {"gradients": "k"} | dict.fromkeys((*THREAD_WORKSPACES, TIMES), "thread")
SCALARS = ("n", "block", "share", "seed", "step")
SHARD_SCALARS = ("batch", "ahead")  # sharded plans only: samples in the whole batch, samples before this shard


class ArgumentLines(GradientLines):
    """Writes the lines that declare the arguments of functions.

    profiled   whether the program measures the time of each step
    """

    profiled: bool

    @property
    def data(self) -> tuple[str, ...]:
        """The names in `DATA` that are arguments of this program."""
        names = set(self._argument_names.values())
        if self.training:
            names.add("sums")
        return tuple(name for name in DATA if name in names)

    @property
    def training(self) -> bool:
        """Whether the program computes losses and gradients."""
        return self.plan.loss is not None

    def _arguments(self) -> list[str]:
        gradients_or_weights = "packed"
        if self.training:
            gradients_or_weights = "gradients"
        return [*self.data, *BUFFERS, gradients_or_weights, EDGES, *self.workspaces]

    @property
    def workspaces(self) -> tuple[str, ...]:
        """The names of the arrays that store intermediate results."""
        names = WORKSPACES
        if self.training:
            names = (*WORKSPACES, SPARE)
        if self.profiled:
            return (*names, TIMES)
        return names

    def _declare(self, name: str, scalars: Sequence[str]) -> str:
        """Return the line that declares the argument types of a function."""
        arrays = [self._argument_type(array, whole=not name.startswith("samples")) for array in self._arguments()]
        return f"\n\ndeclare({name!r}, {arrays!r}, {[0] * len(scalars)!r})\n\n"

    def _argument_type(self, name: str, *, whole: bool) -> tuple[str, int]:
        """Return (dtype, number of axes) of an array argument of a function.

        whole  whether the argument is the whole array, instead of its row for one chunk or thread
        """
        tensors = {"x": self.plan.input, "t": self.plan.target, "y": self.plan.output, "weights": self.plan.weights}
        if name in tensors:
            tensor = tensors[name]
            if tensor is None:
                return (self.dtype, 1)
            return (self.dtype, 1 + len(tensor.shape))
        dtypes = dict.fromkeys(("sums", TIMES), "float64") | {EDGES: "int32"}
        dtype = "int32"
        if not name.endswith("indices"):
            dtype = dtypes.get(name, self.dtype)
        if whole and name in ROW_INDEX:
            return (dtype, 2)
        return (dtype, 1)
