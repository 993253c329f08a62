"""Loops and branches of compiled kernels."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from collections.abc import Callable
from typing import Any

from chainrule.engines.compiled.compiler.kernel_arithmetic import as_int64
from chainrule.engines.compiled.compiler.kernel_arrays import release
from chainrule.engines.compiled.compiler.kernel_code import KernelCode, Slot
from chainrule.engines.compiled.compiler.kernel_values import I64, INT64, KernelNumber, Unsupported, Value, is_constant
from chainrule.engines.compiled.compiler.kernel_variables import AMBIGUOUS, stack_memory


def emit_range(
    code: KernelCode, begin: Value, end: Value, step: Value, emit_iteration: Callable[[Value], None]
) -> None:
    """Emit a loop over range(begin, end, step).

    emit_iteration  function that emits the body, given the value of the loop variable
    """
    build = code.builder
    test, inside, after, out = (build.append_basic_block() for _ in range(4))
    limit = as_int64(code, end)
    increment = as_int64(code, step)
    counter = stack_memory(code, I64)
    build.store(as_int64(code, begin), counter)
    build.branch(test)
    build.position_at_end(test)
    comparison = "<"
    if is_constant(step) and step < 0:
        comparison = ">"
    current = build.load(counter, typ=I64)
    build.cbranch(build.icmp_signed(comparison, current, limit), inside, out)
    build.position_at_end(inside)
    emit_loop_body(code, after, out, lambda: emit_iteration(KernelNumber(INT64, current)))
    build.store(build.add(current, increment, flags=("nsw",)), counter)
    build.branch(test)
    build.position_at_end(out)


def emit_loop_body(code: KernelCode, after: Any, out: Any, emit_body: Callable[[], None]) -> None:
    """Emit the body of a loop. Code at block `after` releases the buffers that the body allocated."""
    build = code.builder
    mark = build.load(code.last_buffer, typ=I64)
    before = code.allocations
    code.loop_exits.append((after, out))
    frame = code.frame
    names = {
        name: (variable, variable.reads if isinstance(variable, Slot) else 0) for name, variable in frame.names.items()
    }
    for name in emit_branch(code, emit_body):
        variable, reads = names[name]
        if isinstance(variable, Slot) and variable.reads > reads:
            raise Unsupported(f"{name}: its type changes between iterations of a loop")
        frame.names[name] = AMBIGUOUS
    code.loop_exits.pop()
    if not build.block.is_terminated:
        build.branch(after)
    build.position_at_end(after)
    if code.allocations > before:
        release(code, mark)


def emit_branch(code: KernelCode, emit: Callable[[], None]) -> list[str]:
    """Emit lines that may be skipped at run time, and return the variables whose type they change."""
    frame = code.frame
    before = dict(code.frame.names)
    frame.depth += 1
    emit()
    frame.depth -= 1
    changed = [name for name, variable in before.items() if frame.names[name] is not variable]
    frame.names.update({name: before[name] for name in changed})
    if code.builder.block.is_terminated:
        return []
    return changed
