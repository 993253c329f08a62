"""The state of a kernel whose code is being emitted. The functions of the kernel compiler receive it as `code`."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.engines.compiled.compiler.kernel_source import KernelSource
from chainrule.engines.compiled.compiler.kernel_values import I64, DType, Value, ir


@dataclass
class Slot:
    """The stack memory of a variable: an example value of its type, and one pointer per LLVM value."""

    template: Value
    pointers: list[Any]
    loops: int  # number of loops that enclose the line where the slot was created
    reads: int = 0


@dataclass
class CallFrame:
    """A call of an inlined function."""

    source: KernelSource
    path: tuple[int, ...]  # index of each enclosing call in its caller
    names: dict[str, Any] = field(default_factory=dict[str, Any])  # local variables
    calls: int = 0  # number of calls emitted so far in this function
    depth: int = 0  # number of loops and conditionals that enclose the current line
    result: Value = None  # value of a `return` outside loops and conditionals
    results: Slot | None = None  # value of a `return` inside loops or conditionals
    exit: Any = None  # basic block after the function
    done: bool = False


class KernelCode:
    """The LLVM function of a kernel, and the state of the compiler at the current line.

    function     LLVM function
    widened      wider types of variables, from earlier attempts (see `TypeWidened`)
    inline       function that emits the call of a Python function: `kernel_statements.call`
    builder      LLVM builder, which appends instructions to the current block
    last_buffer  stack slot with the address of the most recently allocated buffer
    failed       basic block that handles a failed allocation
    allocations  number of allocations emitted so far
    loop_exits   targets of `continue` and `break`, for each enclosing loop
    frames       calls of inlined functions, from the outermost to the innermost
    """

    def __init__(self, function: Any, widened: dict[Any, DType], inline: Callable[..., Value]) -> None:
        self.function = function
        self.widened = widened
        self.inline = inline
        entry, first = (function.append_basic_block(name) for name in ("entry", ""))
        start = ir.IRBuilder(entry)
        self.builder = ir.IRBuilder(first)
        self.last_buffer = start.alloca(I64)
        start.store(I64(0), self.last_buffer)
        start.branch(first)
        self.failed = function.append_basic_block("failed")
        self.allocations = 0
        self.loop_exits: list[tuple[Any, Any]] = []
        self.frames: list[CallFrame] = []

    @property
    def frame(self) -> CallFrame:
        """The innermost call."""
        return self.frames[-1]
