"""A C function as a sequence of calls, and the memory layout of its arrays.

All activations are in one arena, where arrays that are not needed at the same time share memory. Element-wise
operations overwrite their operand if it is not read again.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Plan, Tensor
from chainrule.data.normalization import Normalization
from chainrule.engines.arena import Placed, place
from chainrule.interop.c import fusing, packing, source
from chainrule.interop.c.calls import Argument, CCall, Offset, Struct
from chainrule.interop.c.source import Structs

IMAGE, OUTPUTS = "image", "outputs"  # names of the arguments of network_run
INPUT = "input"  # the normalization of the image in reports
VECTOR_FLOATS = 16  # floats in the longest vector
MIN_ALIGNED_SIZE = 256  # elements; smaller arrays are not aligned to vectors, to save memory
FLOAT_BYTES = 4
WORD = 4  # elements; every array starts at a multiple of it, so that arrays of bytes may contain larger numbers


@dataclass(frozen=True)
class Arena:
    """Memory layout of activations, in elements.

    offsets   storage → offset in the arena for floats or in the arena for integers
    floats    size of the arena for floats
    integers  size of the arena for integers
    arrays    the arrays with their lifetimes, as indices of calls
    kept      elements at the start that a stream keeps between calls
    """

    offsets: dict[str, int]
    floats: int
    integers: int
    arrays: tuple[Placed, ...]
    kept: int = 0


def allocate(calls: Sequence[CCall], external: Collection[str], floats: str = "") -> Arena:
    """Return the memory layout of a program's activations.

    external   storages outside the arena
    floats     storage that contains floats in an arena of bytes
    """
    roots = _buffer_owners(calls, external)
    float_arrays = dict[str, Placed]()
    integer_arrays = dict[str, Placed]()
    for time, call in enumerate(calls):
        for tensor in _arena_tensors(call, external):
            root = roots[tensor.storage]
            size = tensor.size
            if tensor.storage == floats:
                size *= FLOAT_BYTES
            arrays = integer_arrays if tensor.integer else float_arrays
            arrays.setdefault(root, Placed(root, aligned_size(size), time, time)).last = time
    float_size = place(float_arrays.values())
    integer_size = place(integer_arrays.values())
    arrays = float_arrays | integer_arrays
    offsets = {storage: arrays[root].offset for storage, root in roots.items()}
    return Arena(offsets, max(float_size, WORD), integer_size, (*arrays.values(),))  # C has no arrays of size 0


def aligned_size(elements: int) -> int:
    """Return the number of elements reserved for an array: whole words or, for large arrays, whole vectors."""
    unit = WORD if elements < MIN_ALIGNED_SIZE else VECTOR_FLOATS
    return math.ceil(elements / unit) * unit


def _arena_tensors(call: CCall, external: Collection[str]) -> list[Tensor]:
    """Return the tensors in the arena that a call reads or writes."""
    kinds = ("input", "activation", "statistic", "target")
    return [tensor for tensor in call.tensors if tensor.kind in kinds and tensor.storage not in external]


def _last_uses(calls: Sequence[CCall]) -> dict[str, int]:
    times = dict[str, int]()
    for time, call in enumerate(calls):
        times |= dict.fromkeys((tensor.storage for tensor in call.tensors), time)
    return times


def _buffer_owners(calls: Sequence[CCall], external: Collection[str]) -> dict[str, str]:
    """Return storage → owner of its memory: the storage itself, or the storage that it overwrites in place."""
    last = _last_uses(calls)
    roots = dict[str, str]()
    for time, call in enumerate(calls):
        in_arena = _arena_tensors(call, external)
        for tensor in in_arena:
            roots.setdefault(tensor.storage, tensor.storage)
        operand = call.tensors[0]
        result = call.result
        if (
            call.in_place
            and {operand, result} <= {*in_arena}
            and last[operand.storage] == time
            and roots[result.storage] == result.storage
            and operand.size == result.size
        ):
            roots[result.storage] = roots[operand.storage]
    return roots


@dataclass(frozen=True)
class CProgram:
    """A C program: its calls in the order of execution, and its arrays.

    arena     memory layout of the activations
    external  C expressions of the arrays outside the arena, by storage
    values    values of the constant parameters, by storage
    in_bytes  whether the elements of the arena are int8, not float32
    """

    calls: list[CCall]
    arena: Arena
    external: dict[str, str]
    values: Mapping[str, Array]
    in_bytes: bool = False

    def pointer(self, tensor: Tensor) -> str:
        """Return the C expression for a pointer to a tensor."""
        if tensor.storage in self.external:
            return self.external[tensor.storage]
        offset = self.arena.offsets[tensor.storage]
        if self.in_bytes and tensor.storage == OUTPUTS:
            return f"(float *)(void *)(bytes + {offset})"
        if self.in_bytes:
            return f"bytes + {offset}"
        return f"indices + {offset}" if tensor.integer else f"arena + {offset}"

    def body(self, structs: Structs) -> str:
        """Return the statements of the function."""
        statements = source.body(self.calls, self.pointer, structs)
        if not self.arena.offsets:
            return f"{statements}\n    (void)arena;"
        if self.in_bytes:
            return f"    int8_t *bytes = (int8_t *)arena;\n{statements}"
        return statements

    @property
    def arena_bytes(self) -> int:
        """Size of the arena in bytes."""
        return self.arena.floats * self.itemsize + FLOAT_BYTES * self.arena.integers

    @property
    def itemsize(self) -> int:
        """Size of an element of the arena in bytes."""
        return 1 if self.in_bytes else FLOAT_BYTES

    def used_constants(self) -> dict[str, Array]:
        """Return the values of the constant parameters in use, by storage: integers or float32."""
        constants = dict[str, Array]()
        for storage in stored_values(self.calls, self.values):
            values = self.values[storage]
            if values.dtype.kind != "i":
                values = values.astype(np.float32)
            constants[storage] = values
        return constants

    def constants(self) -> list[str]:
        """Return the definitions of the constant parameters."""
        definitions = list[str]()
        for storage, values in self.used_constants().items():
            definitions.append(source.constant(self.external[storage], values))
        return definitions

    @property
    def constant_bytes(self) -> int:
        """Size of all constant parameters in bytes."""
        return sum(values.nbytes for values in self.used_constants().values())


def inference(
    plan: Plan, weights: Mapping[str, Array], normalization: Normalization, *, compact: bool = False
) -> CProgram:
    """Return the C program for an inference plan, with the parameters as constants.

    compact  save memory at the expense of speed
    """
    operations, values = fusing.fuse(plan, weights)
    return assemble(plan, packing.inference(operations, values, compact=compact), values, normalization)


def stored_values(calls: Sequence[CCall], values: Mapping[str, Array]) -> dict[str, None]:
    """Return the storages with values that calls read, each once, in the order of their first use."""
    storages = dict[str, None]()
    for call in calls:
        storages |= dict.fromkeys(tensor.storage for tensor in call.tensors if tensor.storage in values)
    return storages


def assemble(
    plan: Plan,
    calls: Sequence[CCall],
    values: Mapping[str, Array],
    normalization: Normalization,
    variables: Mapping[str, str] | None = None,
) -> CProgram:
    """Return a program that normalizes the image, runs the calls and writes the outputs.

    variables  C expressions, by storage, of the parameters that are variables; None: all parameters are constants
    """
    external = source.unique_identifiers(stored_values(calls, values)) | dict(variables or {})
    all_calls = [*normalization_calls(plan, normalization, external), *calls]
    if plan.output.storage == plan.input.storage:
        result = Tensor(OUTPUTS, plan.output.shape)
        all_calls.append(CCall("copy", (plan.output, result, result.size)))
        external[OUTPUTS] = OUTPUTS
    else:
        external[plan.output.storage] = OUTPUTS
    return CProgram(all_calls, allocate(all_calls, external), external, values)


def int8_program(calls: Sequence[CCall], external: dict[str, str], values: Mapping[str, Array]) -> CProgram:
    """Return an int8 program. Until the outputs are written, their array holds the activation that saves most memory.

    external   C expressions of the arrays outside the arena, by storage
    """
    last = _last_uses(calls)
    first = 0
    in_outputs = {storage for storage, expression in external.items() if OUTPUTS in expression}
    while in_outputs.isdisjoint(tensor.storage for tensor in calls[first].tensors):
        first += 1
    size = calls[-1].result.size
    if OUTPUTS in external:
        size *= FLOAT_BYTES
    programs = [CProgram([*calls], allocate(calls, external, OUTPUTS), external, values, in_bytes=True)]
    for time, call in enumerate(calls[:first]):
        x = call.result  # not a workspace
        if x.storage not in external and x.storage != OUTPUTS and time < last[x.storage] < first and x.size <= size:
            shared = {**external, x.storage: f"(int8_t *){OUTPUTS}"}
            programs.append(replace(programs[0], arena=allocate(calls, shared, OUTPUTS), external=shared))
    return min(programs, key=lambda program: program.arena_bytes)


def normalization_calls(plan: Plan, normalization: Normalization, external: dict[str, str]) -> list[CCall]:
    """Return the calls that normalize the inputs, or none if this is not needed. Add the image to `external`."""
    external[IMAGE] = IMAGE
    image = Tensor(IMAGE, plan.input.shape, "input")
    slices = input_parts(plan, normalization)
    normalizing = list[CCall]()
    is_needed = False
    for part, first, size in slices:
        is_needed |= (part.gain, part.origin) != (1, 0)
        constants = channel_arguments(part.rounded(2, np.float32), size)
        normalizing.append(CCall("normalize", (Offset(image, first), Offset(plan.input, first), *constants)))
    if is_needed:
        return normalizing
    external[plan.input.storage] = IMAGE
    return []


def input_parts(plan: Plan, normalization: Normalization) -> list[tuple[Normalization, int, int]]:
    """Return the normalization of each input, the index of its first element, and its size."""
    if not normalization.parts:
        return [(normalization, 0, plan.input.size)]
    places = list[tuple[int, int]]()
    for operation in plan.forward:
        if operation.operand().storage == plan.input.storage:  # an `Unpack` layer
            places.append((operation.attributes["before"][0], operation.result.size))
    firsts, sizes = zip(*sorted(places), strict=True)
    return [*zip(normalization.parts.values(), firsts, sizes, strict=True)]


def channel_arguments(constants: Sequence[Array], size: int) -> tuple[Argument, ...]:
    """Return constants of the channels, channels and elements per channel as arguments of C functions.

    constants   arrays (C,), or (1,) for all channels
    size        number of elements of the input
    """
    arrays = np.broadcast_arrays(*constants)
    structs = [Struct("float", tuple(array.tolist())) for array in arrays]
    channels = arrays[0].size
    return (*structs, channels, size // channels)
