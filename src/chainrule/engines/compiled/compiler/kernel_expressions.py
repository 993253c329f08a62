"""Expressions of compiled kernels."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import ast
import builtins
import inspect
from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import elementary_code
from chainrule.engines.compiled.compiler.kernel_arithmetic import (
    accumulate,
    binary,
    compare,
    negate,
    product,
    to_number,
    truth,
)
from chainrule.engines.compiled.compiler.kernel_arrays import read_element
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_functions import (
    Method,
    call_builtin,
    call_method,
    elementwise,
    select_number,
)
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    I64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    dtype_of,
    from_python,
    is_constant,
    is_tuple,
    result_dtype,
    slot_type,
)
from chainrule.engines.compiled.compiler.kernel_variables import (
    materialize,
    new_slot,
    read_slot,
    read_variable,
    write_slot,
)

EAGER_NODES = (
    *(ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.cmpop),
    *(ast.boolop, ast.Load, ast.Attribute),
)


def evaluate(code: KernelCode, node: ast.expr) -> Value:
    """Return the value of an expression."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return _resolve(code, name)
        case ast.Tuple(elements):
            return tuple(_evaluate_all(code, elements))
        case ast.BinOp(left, operator, right):
            return apply_operator(code, operator, evaluate(code, left), evaluate(code, right))
        case ast.UnaryOp(ast.USub(), operand):
            return negate(code, evaluate(code, operand))
        case ast.UnaryOp(ast.Not(), operand):
            condition = truth(code, evaluate(code, operand))
            if isinstance(condition, bool):
                return not condition
            return KernelNumber(BOOL, code.builder.not_(condition))
        case ast.Compare(left, operators, others):
            return _compare_chain(code, left, operators, others)
        case ast.BoolOp(operator, values):
            return _short_circuit(code, isinstance(operator, ast.And), values)
        case ast.IfExp(test, then, otherwise):
            return _conditional(code, truth(code, evaluate(code, test)), then, otherwise)
        case ast.Attribute(of, name):
            return _attribute(code, evaluate(code, of), name)
        case ast.Subscript(of, index):
            return _subscript(code, evaluate(code, of), index)
        case ast.Call():
            return _call_expression(code, node)
        case _:
            raise Unsupported(ast.unparse(node))


def _evaluate_all(code: KernelCode, nodes: Sequence[ast.expr]) -> list[Value]:
    """Return the values of tuple entries or call arguments, with starred expressions expanded."""
    values: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            values += [*evaluate(code, node.value)]
        else:
            values += [evaluate(code, node)]
    return values


def apply_operator(code: KernelCode, operator: ast.operator, a: Value, b: Value, *, accumulates: bool = False) -> Value:
    """Return the result of an operator, which is applied elementwise if an operand is an array.

    accumulates   whether a is a variable that the result replaces, as in `a += b`
    """
    name = type(operator).__name__
    compute = accumulate if accumulates else binary
    if isinstance(a, KernelArray) or isinstance(b, KernelArray):
        return elementwise(code, lambda x, y: compute(code, name, x, y), a, b)
    return compute(code, name, a, b)


def _resolve(code: KernelCode, name: str) -> Value:
    try:
        return read_variable(code, name)
    except KeyError:
        names = code.frame.source.scope
    if name in code.frame.source.local_names:
        raise Unsupported(f"{name} may be used before it is assigned")
    if name in names:
        return from_python(names[name])
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise Unsupported(f"{name} is not defined")


def _compare_chain(
    code: KernelCode, first: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]
) -> Value:
    values = [evaluate(code, node) for node in (first, *others)]
    result: Value = True
    for operator, a, b in zip(operators, values[:-1], values[1:], strict=True):
        result = _logical_and(code, result, compare(code, type(operator).__name__, a, b))
    return result


def _logical_and(code: KernelCode, a: Value, b: Value) -> Value:
    left = truth(code, a)
    right = truth(code, b)
    if isinstance(left, bool):
        if left:
            return b
        return False
    if isinstance(right, bool):
        if right:
            return a
        return False
    return KernelNumber(BOOL, code.builder.and_(left, right))


def _short_circuit(code: KernelCode, is_and: bool, values: Sequence[ast.expr]) -> Value:
    """Return the result of `and` or `or`, with short-circuit evaluation.

    A first operand that is known at compile time decides the result, or is left out. If the other operands are cheap
    and have no effects (`EAGER_NODES`), all are evaluated, since branches would be slower. Otherwise, `a and b` is
    emitted as `b if a else False`, and `a or b` as `True if a else b`.
    """
    first, *others = values
    result = truth(code, evaluate(code, first))
    if not others:
        if isinstance(result, bool):
            return result
        return KernelNumber(BOOL, result)
    if isinstance(result, bool):
        if result == is_and:
            return _short_circuit(code, is_and, others)
        return result
    if all(isinstance(node, EAGER_NODES) for operand in others for node in ast.walk(operand)):
        other = truth(code, _short_circuit(code, is_and, others))
        if isinstance(other, bool):
            if other == is_and:
                return KernelNumber(BOOL, result)
            return other
        return KernelNumber(BOOL, (code.builder.and_ if is_and else code.builder.or_)(result, other))
    combined: ast.expr
    if len(others) == 1:
        combined = others[0]
    else:
        combined = ast.BoolOp(ast.And() if is_and else ast.Or(), list(others))
    decided: ast.expr = ast.Constant(not is_and)
    return _conditional(code, result, *((combined, decided) if is_and else (decided, combined)))


def _conditional(code: KernelCode, test: Any, then: ast.expr, otherwise: ast.expr) -> Value:
    """Return the value of a conditional expression. Only the selected operand is evaluated."""
    if isinstance(test, bool):
        return evaluate(code, then if test else otherwise)
    if all(isinstance(item, ast.Name | ast.Constant) for item in (then, otherwise)):
        values = [evaluate(code, then), evaluate(code, otherwise)]
        if all(is_constant(item) or isinstance(item, KernelNumber) for item in values):
            return select_number(code, KernelNumber(BOOL, test), *values)
    return _branches(code, test, (then, otherwise))


def _branches(code: KernelCode, test: Any, operands: tuple[ast.expr, ast.expr]) -> Value:
    """Emit a branch to each operand, and return the value of the one that is taken, from a slot in memory.

    Both operands are emitted before the slot is created, because its type depends on both: 1 if c else x is a float.
    """
    build = code.builder
    *blocks, end = [build.append_basic_block() for _ in range(3)]
    build.cbranch(test, *blocks)
    code.frame.depth += 1
    branches: list[tuple[Any, Value]] = []  # the last block of each operand, and its value
    for block, operand in zip(blocks, operands, strict=True):
        build.position_at_end(block)
        value = materialize(code, evaluate(code, operand))
        branches.append((build.block, value))
    code.frame.depth -= 1
    are_numbers = all(isinstance(value, KernelNumber) for _, value in branches)
    dtype = None
    if are_numbers:
        dtype = result_dtype(*(dtype_of(value) for _, value in branches))
    slot: Any = None
    for block, value in branches:
        build.position_at_end(block)
        result = value
        if dtype is not None:
            result = to_number(code, value, dtype)
        slot = slot or new_slot(code, result)
        if slot_type(slot.template) != slot_type(result):
            raise Unsupported("a conditional expression with operands of different types")
        write_slot(code, slot, result)
        build.branch(end)
    build.position_at_end(end)
    return read_slot(code, slot)


def _attribute(code: KernelCode, value: Value, name: str) -> Value:
    if isinstance(value, KernelArray):
        attribute: Value = {
            "shape": value.shape,
            "ndim": len(value.shape),
            "dtype": value.dtype,
            "itemsize": value.dtype.bitwidth // 8,
        }.get(name)
        if name == "size":
            return product(code, value.shape)
        if attribute is None:
            return Method(value, name)
        return attribute
    if isinstance(value, DType):
        return {"type": value, "itemsize": value.bitwidth // 8}[name]
    if isinstance(value, KernelNumber):
        raise Unsupported(f"the attribute {name}")
    return from_python(getattr(value, name))


def evaluate_indices(code: KernelCode, node: ast.expr) -> list[Value]:
    """Return the indices in a subscript: integers and `slice` objects."""
    nodes = [node]
    if isinstance(node, ast.Tuple):
        nodes = node.elts
    indices: list[Value] = []
    for index in nodes:
        if isinstance(index, ast.Slice):
            bounds = [
                None if bound is None else evaluate(code, bound) for bound in (index.lower, index.upper, index.step)
            ]
            indices.append(slice(*bounds))
        else:
            value = evaluate(code, index)
            if is_tuple(value):
                indices += [*value]
            else:
                indices += [value]
    return indices


def _subscript(code: KernelCode, value: Value, index: ast.expr) -> Value:
    build = code.builder
    if isinstance(value, KernelArray):
        return read_element(code, value, evaluate_indices(code, index))
    if not isinstance(value, tuple):
        raise Unsupported(f"an element of {value!r}")
    (position,) = evaluate_indices(code, index)
    if not isinstance(position, KernelNumber):
        return value[position]
    numbers = [to_number(code, item) for item in value]
    dtype = numbers[0].dtype
    if any(item.dtype is not dtype for item in numbers):
        raise Unsupported("a variable index into a tuple whose entries have different types")
    with build.goto_entry_block():
        table = build.alloca(dtype.llvm, size=len(numbers))
    for k, number in enumerate(numbers):
        build.store(number.value, build.gep(table, [I64(k)], source_etype=dtype.llvm))
    offset = position.value
    negative = build.icmp_signed("<", offset, I64(0))
    offset = build.select(negative, build.add(offset, I64(len(numbers))), offset)
    return KernelNumber(dtype, build.load(build.gep(table, [offset], source_etype=dtype.llvm), typ=dtype.llvm))


def _call_expression(code: KernelCode, node: ast.Call) -> Value:
    callee = evaluate(code, node.func)
    values = _evaluate_all(code, node.args)
    named = {keyword.arg: evaluate(code, keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(callee, Method):
        return call_method(code, callee, values)
    if isinstance(callee, DType):
        return to_number(code, values[0], callee)
    if hasattr(callee, "py_func"):
        return code.inline(code, callee.py_func, values, named)
    if inspect.isclass(callee) and issubclass(callee, tuple):
        return callee(*values, **named)
    if (emit := elementary_code.emitter_of(callee)) is not None:
        return emit(code, values)
    result = call_builtin(code, callee, values, named)
    if result is NotImplemented:
        raise Unsupported(ast.unparse(node))
    return result
