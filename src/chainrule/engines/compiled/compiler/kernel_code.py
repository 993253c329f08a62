"""The kernel compiler, which emits LLVM code directly from the source of kernels.

Kernels are written in a small subset of Python: numbers, contiguous arrays, tuples, loops over ranges, conditionals,
and calls of functions, which are inlined. All types can be inferred from the types of the arguments, so the code is
emitted in one pass over the source, in a tenth of the time needed by a compiler for full Python. If a variable is an
integer on one line and a float on a later line, the pass is restarted with the wider type (`TypeWidened`).

The arguments of a compiled kernel are the address and the shape of each array, the entries of each tuple, and numbers.
A kernel returns 0, `signatures.NO_MEMORY`, or `signatures.NOT_FINITE` if it raises FloatingPointError.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler.kernel_source import source_of
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    I64,
    INT64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    ir,
    is_constant,
)
from chainrule.engines.compiled.compiler.kernel_variables import AMBIGUOUS, CallFrame, KernelVariables, Slot, has_array
from chainrule.engines.compiled.compiler.signatures import NOT_FINITE
from chainrule.engines.compiled.compiler.vectors import has_step, unroll_metadata


class KernelEmitter(KernelVariables):
    """Emits the statements of a kernel."""

    def __init__(self, function: Any, widened: dict[Any, DType]) -> None:
        self.function, self.widened = function, widened
        entry, first = function.append_basic_block("entry"), function.append_basic_block()
        self.entry = ir.IRBuilder(entry)
        self.last_buffer = self.entry.alloca(I64)
        self.entry.store(I64(0), self.last_buffer)
        self.entry.branch(first)
        self.builder = ir.IRBuilder(first)
        self.failed = function.append_basic_block("failed")
        self.allocations = 0
        self.loop_exits: list[tuple[Any, Any]] = []  # targets of `continue` and `break`, for each enclosing loop
        self.frames: list[CallFrame] = []

    def emit_statements(self, body: Sequence[ast.stmt]) -> None:
        """Emit a list of statements."""
        for node in body:
            if self.frame.done or self.builder.block.is_terminated:
                return
            self.emit_statement(node)

    def emit_statement(self, node: ast.stmt) -> None:
        """Emit a statement."""
        match node:
            case ast.Assign([target], value):
                self._assign_target(target, self.value(value))
            case ast.Assign(targets, value):
                result = self.value(value)
                for target in targets:
                    self._assign_target(target, result)
            case ast.AugAssign(ast.Name(name), operator, value):
                self.assign(name, self.apply_operator(operator, self.read_variable(name), self.value(value)))
            case ast.AugAssign(ast.Subscript(of, index), operator, value):
                array = self.value(of)
                address, view = self.locate(array, self.indices(index))
                if view is not None:
                    raise Unsupported(ast.unparse(node))
                self.store(array, address, self.apply_operator(operator, self.load(array, address), self.value(value)))
            case ast.For(target, iterable, inner, []):
                self._emit_for(target, iterable, inner)
            case ast.While(test, inner, []):
                self._emit_while(test, inner)
            case ast.If(test, then, otherwise):
                self._emit_if(test, then, otherwise)
            case ast.Return(value):
                self._emit_return(None if value is None else self.value(value))
            case ast.Continue():
                self.builder.branch(self.loop_exits[-1][0])
            case ast.Break():
                self.builder.branch(self.loop_exits[-1][1])
            case ast.Raise(ast.Name("FloatingPointError"), None):
                self.release(I64(0))
                self.builder.ret(I64(NOT_FINITE))
            case ast.Expr(ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value):
                self.value(value)
            case _:
                raise Unsupported(ast.unparse(node))

    def _assign_target(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a variable, a tuple of variables, an element or a view."""
        match target:
            case ast.Name(name):
                self.assign(name, value)
            case ast.Tuple(targets):
                if isinstance(value, KernelArray):
                    value = [self.element(value, [position]) for position in range(len(targets))]
                for item_target, item in zip(targets, value, strict=True):
                    self._assign_target(item_target, item)
            case ast.Subscript(of, index):
                array = self.value(of)
                address, view = self.locate(array, self.indices(index))
                if view is None:
                    self.store(array, address, value)
                else:
                    self.fill_array(view, value)
            case _:
                raise Unsupported(ast.unparse(target))

    def _emit_for(self, target: ast.expr, iterable: ast.expr, body: Sequence[ast.stmt]) -> None:
        """Emit a loop over a range or an array. Loops over tuples are unrolled."""

        def emit_iteration(entry: Value) -> None:
            self._assign_target(target, entry)
            self.emit_statements(body)

        if not (isinstance(iterable, ast.Call) and ast.unparse(iterable.func) == "range"):
            entries = self.value(iterable)
            if isinstance(entries, KernelArray):
                self.emit_range(
                    0, entries.shape[0], 1, lambda position: emit_iteration(self.element(entries, [position]))
                )
            elif any(isinstance(node, ast.Continue | ast.Break) for line in body for node in ast.walk(line)):
                raise Unsupported(f"a loop over {ast.unparse(iterable)} with break or continue")
            else:
                for entry in entries:
                    emit_iteration(entry)
            return
        bounds = [self.value(node) for node in iterable.args]
        begin, end, step = {1: (0, *bounds, 1), 2: (*bounds, 1)}.get(len(bounds), tuple(bounds))
        self.emit_range(begin, end, step, emit_iteration)

    def emit_range(self, begin: Value, end: Value, step: Value, emit_iteration: Callable[[Value], None]) -> None:
        """Emit a loop over range(begin, end, step).

        emit_iteration  function that emits the body, given the value of the loop variable
        """
        blocks = [self.builder.append_basic_block() for _ in range(4)]
        test, inside, after, out = blocks
        end, increment = self.as_int64(end), self.as_int64(step)
        counter = self.slot(I64)
        self.builder.store(self.as_int64(begin), counter)
        self.builder.branch(test)
        self.builder.position_at_end(test)
        comparison = ">" if is_constant(step) and step < 0 else "<"
        current = self.builder.load(counter, typ=I64)
        self.builder.cbranch(self.builder.icmp_signed(comparison, current, end), inside, out)
        self.builder.position_at_end(inside)
        self._emit_iteration(after, out, lambda: emit_iteration(KernelNumber(INT64, current)))
        self.builder.store(self.builder.add(current, increment, flags=("nsw",)), counter)
        back_edge = self.builder.branch(test)
        if has_step(inside):
            back_edge.set_metadata("llvm.loop", unroll_metadata(self.builder.module))
        self.builder.position_at_end(out)

    def _emit_iteration(self, after: Any, out: Any, emit_body: Callable[[], None]) -> None:
        """Emit the body of a loop. Code at block `after` releases the buffers that the body allocated."""
        mark, before = self.builder.load(self.last_buffer, typ=I64), self.allocations
        self.loop_exits.append((after, out))
        frame = self.frame
        names = {
            name: (variable, variable.reads if isinstance(variable, Slot) else 0)
            for name, variable in frame.names.items()
        }
        for name in self._emit_branch(emit_body):
            variable, reads = names[name]
            if isinstance(variable, Slot) and variable.reads > reads:
                raise Unsupported(f"{name}: its type changes between iterations of a loop")
            frame.names[name] = AMBIGUOUS
        self.loop_exits.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(after)
        self.builder.position_at_end(after)
        if self.allocations > before:
            self.release(mark)

    def _emit_branch(self, emit: Callable[[], None]) -> list[str]:
        """Emit lines that may be skipped at run time, and return the variables whose type they change."""
        frame, before = self.frame, dict(self.frame.names)
        frame.depth += 1
        emit()
        frame.depth -= 1
        changed = [name for name, variable in before.items() if frame.names[name] is not variable]
        frame.names.update({name: before[name] for name in changed})
        return [] if self.builder.block.is_terminated else changed

    def _emit_while(self, test: ast.expr, body: Sequence[ast.stmt]) -> None:
        head, inside, after, out = (self.builder.append_basic_block() for _ in range(4))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        condition = self.truth(self.value(test))
        self.builder.cbranch(BOOL.llvm(int(condition)) if isinstance(condition, bool) else condition, inside, out)
        self.builder.position_at_end(inside)
        self._emit_iteration(after, out, lambda: self.emit_statements(body))
        self.builder.branch(head)
        self.builder.position_at_end(out)

    def _emit_if(self, test: ast.expr, then: Sequence[ast.stmt], otherwise: Sequence[ast.stmt]) -> None:
        condition = self.truth(self.value(test))
        if isinstance(condition, bool):
            self.emit_statements(then if condition else otherwise)
            return
        blocks = [self.builder.append_basic_block() for _ in range(3 if otherwise else 2)]
        then_block, end, else_block = blocks[0], blocks[1], blocks[-1]
        self.builder.cbranch(condition, then_block, else_block)
        ambiguous: list[str] = []
        for block, body in ((then_block, then), (else_block, otherwise)):
            if body:
                self.builder.position_at_end(block)
                ambiguous += self._emit_branch(functools.partial(self.emit_statements, body))
                if not self.builder.block.is_terminated:
                    self.builder.branch(end)
        self.frame.names.update(dict.fromkeys(ambiguous, AMBIGUOUS))
        self.builder.position_at_end(end)
        if not otherwise:
            return
        if not any(
            end in getattr(block.terminator, "operands", []) for block in self.function.blocks if block.terminator
        ):
            self.builder.unreachable()  # both branches return or leave the loop

    def _emit_return(self, value: Value) -> None:
        frame = self.frame
        if not frame.depth and frame.exit is None:
            frame.result, frame.done = value, True
            return
        if frame.exit is None:
            frame.exit = self.builder.append_basic_block()
        if value is not None:
            frame.results = self._store_variable(frame.results, value, (*frame.path, "return"), 1)
        self.builder.branch(frame.exit)
        frame.done = not frame.depth

    # ------------------------------------------------------------------ calls

    def call(self, function: Callable[..., Any], arguments: Sequence[Value], named: dict[str, Value]) -> Value:
        """Emit an inlined function call, and return its result."""
        path: tuple[int, ...] = ()
        if self.frames:
            self.frame.calls += 1
            path = (*self.frame.path, self.frame.calls)
        if len(path) > 30:
            raise Unsupported("recursion")
        frame = CallFrame(source_of(function), path)
        mark, before = self.builder.load(self.last_buffer, typ=I64), self.allocations
        bound = frame.source.signature.bind(*arguments, **named)
        bound.apply_defaults()
        self.frames.append(frame)
        for name, value in bound.arguments.items():
            self.assign(name, value)
        loops, self.loop_exits = self.loop_exits, [*self.loop_exits]
        self.emit_statements(frame.source.node.body)
        result = frame.result
        if frame.exit is not None:
            if not self.builder.block.is_terminated:
                self.builder.branch(frame.exit)
            self.builder.position_at_end(frame.exit)
            result = None if frame.results is None else self.read_slot(frame.results)
        self.loop_exits = loops
        self.frames.pop()
        if self.allocations > before and not has_array(result):
            self.release(mark)
        return result
