"""Statements of compiled kernels, and calls of functions, which are inlined."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler.kernel_arithmetic import truth
from chainrule.engines.compiled.compiler.kernel_arrays import load, locate, read_element, release, store
from chainrule.engines.compiled.compiler.kernel_code import CallFrame, KernelCode
from chainrule.engines.compiled.compiler.kernel_expressions import apply_operator, evaluate, evaluate_indices
from chainrule.engines.compiled.compiler.kernel_functions import fill_array
from chainrule.engines.compiled.compiler.kernel_loops import emit_branch, emit_loop_body, emit_range
from chainrule.engines.compiled.compiler.kernel_source import source_of
from chainrule.engines.compiled.compiler.kernel_values import BOOL, I64, KernelArray, Unsupported, Value
from chainrule.engines.compiled.compiler.kernel_variables import (
    AMBIGUOUS,
    assign,
    has_array,
    read_slot,
    read_variable,
    store_variable,
)
from chainrule.engines.compiled.compiler.signatures import NOT_FINITE


def emit_statements(code: KernelCode, body: Sequence[ast.stmt]) -> None:
    """Emit a list of statements."""
    for node in body:
        if code.frame.done or code.builder.block.is_terminated:
            return
        emit_statement(code, node)


def emit_statement(code: KernelCode, node: ast.stmt) -> None:
    """Emit a statement; Unsupported for one outside the subset of Python that kernels are written in.

    `raise FloatingPointError` releases all buffers and returns the error number `NOT_FINITE`. Docstrings emit nothing.
    """
    match node:
        case ast.Assign([target], value):
            _assign_target(code, target, evaluate(code, value))
        case ast.Assign(targets, value):
            result = evaluate(code, value)
            for target in targets:
                _assign_target(code, target, result)
        case ast.AugAssign(ast.Name(name), operator, value):
            total = read_variable(code, name)
            assign(code, name, apply_operator(code, operator, total, evaluate(code, value), accumulates=True))
        case ast.AugAssign(ast.Subscript(of, index), operator, value):
            array = evaluate(code, of)
            address, view = locate(code, array, evaluate_indices(code, index))
            if view is not None:
                raise Unsupported(ast.unparse(node))
            total = load(code, array, address)
            result = apply_operator(code, operator, total, evaluate(code, value), accumulates=True)
            store(code, array, address, result)
        case ast.For(target, iterable, inner, []):
            _emit_for(code, target, iterable, inner)
        case ast.While(test, inner, []):
            _emit_while(code, test, inner)
        case ast.If(test, then, otherwise):
            _emit_if(code, test, then, otherwise)
        case ast.Return(value):
            _emit_return(code, None if value is None else evaluate(code, value))
        case ast.Continue():
            code.builder.branch(code.loop_exits[-1][0])
        case ast.Break():
            code.builder.branch(code.loop_exits[-1][1])
        case ast.Raise(ast.Name("FloatingPointError"), None):
            release(code, I64(0))
            code.builder.ret(I64(NOT_FINITE))
        case ast.Expr(ast.Constant()) | ast.Pass():
            pass
        case ast.Expr(value):
            evaluate(code, value)
        case _:
            raise Unsupported(ast.unparse(node))


def _assign_target(code: KernelCode, target: ast.expr, value: Value) -> None:
    """Assign a value to a variable, a tuple of variables, an element or a view."""
    match target:
        case ast.Name(name):
            assign(code, name, value)
        case ast.Tuple(targets):
            if isinstance(value, KernelArray):
                value = [read_element(code, value, [position]) for position in range(len(targets))]
            for item_target, item in zip(targets, value, strict=True):
                _assign_target(code, item_target, item)
        case ast.Subscript(of, index):
            array = evaluate(code, of)
            address, view = locate(code, array, evaluate_indices(code, index))
            if view is None:
                store(code, array, address, value)
            else:
                fill_array(code, view, value)
        case _:
            raise Unsupported(ast.unparse(target))


def _emit_for(code: KernelCode, target: ast.expr, iterable: ast.expr, body: Sequence[ast.stmt]) -> None:
    """Emit a loop over a range or an array. Loops over tuples are unrolled."""

    def emit_iteration(entry: Value) -> None:
        _assign_target(code, target, entry)
        emit_statements(code, body)

    if not (isinstance(iterable, ast.Call) and ast.unparse(iterable.func) == "range"):
        entries = evaluate(code, iterable)
        if isinstance(entries, KernelArray):
            emit_range(
                code, 0, entries.shape[0], 1, lambda position: emit_iteration(read_element(code, entries, [position]))
            )
        elif any(isinstance(node, ast.Continue | ast.Break) for node in ast.walk(ast.Module(list(body), []))):
            raise Unsupported(f"a loop over {ast.unparse(iterable)} with break or continue")
        else:
            for entry in entries:
                emit_iteration(entry)
        return
    bounds = [evaluate(code, node) for node in iterable.args]
    begin, end, step = {1: (0, *bounds, 1), 2: (*bounds, 1)}.get(len(bounds), tuple(bounds))
    emit_range(code, begin, end, step, emit_iteration)


def _emit_while(code: KernelCode, test: ast.expr, body: Sequence[ast.stmt]) -> None:
    build = code.builder
    head, inside, after, out = (build.append_basic_block() for _ in range(4))
    build.branch(head)
    build.position_at_end(head)
    condition = truth(code, evaluate(code, test))
    build.cbranch(BOOL.llvm(int(condition)) if isinstance(condition, bool) else condition, inside, out)
    build.position_at_end(inside)
    emit_loop_body(code, after, out, lambda: emit_statements(code, body))
    build.branch(head)
    build.position_at_end(out)


def _emit_if(code: KernelCode, test: ast.expr, then: Sequence[ast.stmt], otherwise: Sequence[ast.stmt]) -> None:
    build = code.builder
    condition = truth(code, evaluate(code, test))
    if isinstance(condition, bool):
        emit_statements(code, then if condition else otherwise)
        return
    blocks = [build.append_basic_block() for _ in range(3 if otherwise else 2)]
    then_block = blocks[0]
    end = blocks[1]
    else_block = blocks[-1]
    build.cbranch(condition, then_block, else_block)
    ambiguous: list[str] = []
    for block, body in ((then_block, then), (else_block, otherwise)):
        if body:
            build.position_at_end(block)
            ambiguous += emit_branch(code, functools.partial(emit_statements, code, body))
            if not build.block.is_terminated:
                build.branch(end)
    code.frame.names.update(dict.fromkeys(ambiguous, AMBIGUOUS))
    build.position_at_end(end)
    if not otherwise:
        return
    if not any(end in getattr(block.terminator, "operands", []) for block in code.function.blocks if block.terminator):
        build.unreachable()  # both branches return or leave the loop


def _emit_return(code: KernelCode, value: Value) -> None:
    frame = code.frame
    if not frame.depth and frame.exit is None:
        frame.result = value
        frame.done = True
        return
    if frame.exit is None:
        frame.exit = code.builder.append_basic_block()
    if value is not None:
        frame.results = store_variable(code, frame.results, value, (*frame.path, "return"), 1)
    code.builder.branch(frame.exit)
    frame.done = not frame.depth


def call(code: KernelCode, function: Callable[..., Any], arguments: Sequence[Value], named: dict[str, Value]) -> Value:
    """Emit an inlined function call, and return its result."""
    build = code.builder
    path: tuple[int, ...] = ()
    if code.frames:
        code.frame.calls += 1
        path = (*code.frame.path, code.frame.calls)
    if len(path) > 30:
        raise Unsupported("recursion")
    frame = CallFrame(source_of(function), path)
    mark = build.load(code.last_buffer, typ=I64)
    before = code.allocations
    bound = frame.source.signature.bind(*arguments, **named)
    bound.apply_defaults()
    code.frames.append(frame)
    for name, value in bound.arguments.items():
        assign(code, name, value)
    loops = code.loop_exits
    code.loop_exits = [*code.loop_exits]
    emit_statements(code, frame.source.node.body)
    result = frame.result
    if frame.exit is not None:
        if not build.block.is_terminated:
            build.branch(frame.exit)
        build.position_at_end(frame.exit)
        result = None
        if frame.results is not None:
            result = read_slot(code, frame.results)
    code.loop_exits = loops
    code.frames.pop()
    if code.allocations > before and not has_array(result):
        release(code, mark)
    return result
