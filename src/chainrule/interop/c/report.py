"""The report of an exported network: what each layer costs, and the memory of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chainrule._io.console import aligned
from chainrule.core.costs import multiply_adds
from chainrule.core.plan import Plan, Tensor
from chainrule.interop.c.calls import CCall, Struct
from chainrule.interop.c.program import INPUT, OUTPUTS, CProgram

ENTRY_BYTES = 4  # of a number in a constant struct
POINTER_BYTES = 4  # on a microcontroller
# Bounds of the stack in bytes, with GCC at -O2 and -Os on a 32-bit processor without vectors: of NAME_run, also if
# routines are inlined into it, and of a routine with those that it calls.
RUN_STACK, ROUTINE_STACK = 512, 380
COLUMNS = ("", "multiply-adds", "flash", "RAM", "result at", "int8 error")


@dataclass(frozen=True)
class LayerCost:
    """The cost of a layer, or of several that one function computes.

    layers          their names; "input": the normalization of the input
    multiply_adds   multiplications and additions of convolutions and dense layers
    flash           bytes of constants: parameters, tables and sizes
    ram             bytes of the arena that are in use while the layers are computed
    start, end      position of the result in the arena, in bytes; (0, 0): the result is the array `outputs`
    error           relative error of the result in int8; None: not measured
    """

    layers: tuple[str, ...]
    multiply_adds: int
    flash: int
    ram: int
    start: int
    end: int
    error: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        place = f"{self.start:,}–{self.end:,}" if self.end else OUTPUTS
        error = f"{self.error:.2g}" if self.error is not None else ""
        numbers = f"{self.multiply_adds:,}", f"{self.flash:,}", f"{self.ram:,}"
        return (" + ".join(self.layers), *numbers, place, error)


@dataclass(frozen=True)
class CostReport:
    """The costs of an exported network, on a processor without vectors. It is printed as a table.

    layers    the layers, in the order of execution
    names     bytes of the names of classes, in flash
    arena     bytes of the arena
    ports     bytes of the input and of the outputs
    stack     upper bound of the stack of NAME_run in bytes, at -O2 and -Os
    """

    layers: tuple[LayerCost, ...]
    names: int
    arena: int
    ports: int
    stack: int

    @property
    def totals(self) -> dict[str, int]:
        """Multiply-adds, and bytes of flash, without code, and of RAM, with input, outputs and stack."""
        products = sum(layer.multiply_adds for layer in self.layers)
        constants = sum(layer.flash for layer in self.layers)
        ram = self.arena + self.ports + self.stack
        return {"multiply_adds": products, "flash": constants + self.names, "ram": ram}

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self) | {"totals": self.totals}

    def __str__(self) -> str:
        columns = len(COLUMNS)
        if {layer.error for layer in self.layers} <= {None}:
            columns -= 1
        rows: list[Sequence[str]] = [COLUMNS[:columns]]
        for layer in self.layers:
            rows.append(layer.cells()[:columns])
        totals = map("{:,}".format, self.totals.values())
        rows.append(["total", *totals, "", ""][:columns])
        lines = list(map(str.rstrip, aligned(rows, right=range(1, columns))))
        flash = f"flash: constants and {self.names:,} bytes of names; code comes on top"
        ram = f"RAM: arena {self.arena:,}, input and outputs {self.ports:,}, stack at most {self.stack:,} bytes"
        return "\n".join([*lines, flash, ram])


def report_of(
    model: Plan, plan: Plan, program: CProgram, errors: Mapping[str, float], *, names: int, ports: int
) -> CostReport:
    """Return the report of a program.

    model    the inference plan of the model, with all layers
    plan     the operations that the program computes; of a stream, for new columns
    errors   relative errors of the results of layers in int8
    names    bytes of the names of classes
    ports    bytes of the input and of the outputs
    """
    hosts = _hosts(model, program.calls)
    members = dict[str, list[str]]()  # of each host, the layers that are computed with it, in order
    for layer in dict.fromkeys(operation.layer for operation in model.forward):
        members.setdefault(hosts[layer], []).append(layer)
    products = Counter[str]()
    for operation in plan.forward:
        layer = operation.layer
        products[hosts.get(layer, layer)] += multiply_adds(operation)
    flash = Counter[str]()
    ram = Counter[str]()
    places = dict[str, tuple[int, int]]()
    constants = _constant_bytes(program)
    for time, call in enumerate(program.calls):
        host = _layer_of_call(call, plan, hosts)
        flash[host] += next(constants)
        ram[host] = max(ram[host], _bytes_in_use(program, time))
        places[host] = _position(program, call)  # of the last call
    rows = list[LayerCost]()
    for host, place in places.items():
        layers = tuple(members.get(host, [host]))
        rows.append(LayerCost(layers, products[host], flash[host], ram[host], *place, error=errors.get(host)))
    return CostReport((*rows,), names, program.arena_bytes, ports, RUN_STACK + ROUTINE_STACK)


def _hosts(plan: Plan, calls: list[CCall]) -> dict[str, str]:
    """Return layer → layer whose result the program computes together with it: itself unless it is fused."""
    written = {call.result.storage for call in calls}
    hosts = dict[str, str]()
    readers = dict[str, str]()
    for operation in reversed(plan.forward):
        layer = operation.layer
        result = operation.result.storage
        if result not in written and result in readers and readers[result] != layer:
            hosts[layer] = readers[result]
        host = hosts.setdefault(layer, layer)
        for tensor in operation.reads:
            if tensor is not None:
                readers[tensor.storage] = host
    return hosts


def _layer_of(tensor: Tensor) -> str:
    return tensor.name.partition(".")[0]


def _layer_of_call(call: CCall, plan: Plan, hosts: Mapping[str, str]) -> str:
    """Return the layer that a call belongs to: that of its result, or of its parameters if it writes the outputs."""
    result = call.result
    if result.storage == plan.input.storage:
        return INPUT
    for tensor in (result, *call.tensors, plan.output):
        is_of_layer = tensor.kind == "parameter" or tensor in (result, plan.output)
        if is_of_layer and tensor.name != OUTPUTS and _layer_of(tensor) in hosts:
            return hosts[_layer_of(tensor)]
    return OUTPUTS


def _constant_bytes(program: CProgram) -> Iterator[int]:
    """Yield the bytes of the constants that each call reads and no earlier one."""
    arrays = program.used_constants()
    structs = set[Struct]()
    for call in program.calls:
        size = 0
        for tensor in call.tensors:
            if tensor.storage in arrays:
                size += arrays.pop(tensor.storage).nbytes
        for argument in call.arguments:
            if isinstance(argument, Struct) and argument not in structs:
                size += ENTRY_BYTES * len(argument.entries)
                structs.add(argument)
        yield size


def _bytes_in_use(program: CProgram, time: int) -> int:
    """Return the bytes of the arrays in the arena that a call or a later one needs, when the call runs."""
    elements = program.arena.kept
    for array in program.arena.arrays:
        if array.first <= time <= array.last:
            elements += array.size
    return elements * program.itemsize


def _position(program: CProgram, call: CCall) -> tuple[int, int]:
    """Return the position of a call's result in the arena, in bytes."""
    result = call.result
    if result.storage == OUTPUTS or result.storage not in program.arena.offsets:
        return 0, 0
    start = program.arena.offsets[result.storage] * program.itemsize
    return start, start + result.size * program.itemsize
