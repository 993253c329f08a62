"""Expressions of compiled kernels."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import ast
import builtins
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler import intrinsic_code
from chainrule.engines.compiled.compiler.kernel_functions import KernelFunctions, Method
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    I64,
    DType,
    KernelArray,
    KernelNumber,
    TileValue,
    Unsupported,
    Value,
    from_python,
    is_constant,
    slot_type,
)

EAGER_NODES = (
    *(ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.cmpop),
    *(ast.boolop, ast.Load, ast.Attribute),
)


class KernelExpressions(KernelFunctions):
    """Emits the code of expressions, and returns their values."""

    frame: Any
    frames: list[Any]

    def value(self, node: ast.expr) -> Value:
        """Return the value of an expression."""
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self._resolve(name)
            case ast.Tuple(elements):
                return tuple(self._values(elements))
            case ast.BinOp(left, operator, right):
                return self.apply_operator(operator, self.value(left), self.value(right))
            case ast.UnaryOp(ast.USub(), operand):
                return self.negate(self.value(operand))
            case ast.UnaryOp(ast.Not(), operand):
                condition = self.truth(self.value(operand))
                return (
                    not condition if isinstance(condition, bool) else KernelNumber(BOOL, self.builder.not_(condition))
                )
            case ast.Compare(left, operators, others):
                return self._compare_chain(left, operators, others)
            case ast.BoolOp(operator, values):
                return self._short_circuit(isinstance(operator, ast.And), values)
            case ast.IfExp(test, then, otherwise):
                return self._conditional(self.truth(self.value(test)), then, otherwise)
            case ast.Attribute(of, name):
                return self._attribute(self.value(of), name)
            case ast.Subscript(of, index):
                return self._element(self.value(of), index)
            case ast.Call(function, arguments, keywords):
                return self._call_expression(node, function, arguments, keywords)
            case _:
                raise Unsupported(ast.unparse(node))

    def _values(self, nodes: Sequence[ast.expr]) -> list[Value]:
        """Return the values of tuple entries or call arguments, with starred expressions expanded."""
        values: list[Value] = []
        for node in nodes:
            values += [*self.value(node.value)] if isinstance(node, ast.Starred) else [self.value(node)]
        return values

    def apply_operator(self, operator: ast.operator, a: Value, b: Value) -> Value:
        """Return the result of an operator, which is applied elementwise if an operand is an array."""
        name = type(operator).__name__
        if isinstance(a, KernelArray) or isinstance(b, KernelArray):
            return self.elementwise(lambda x, y: self.binary(name, x, y), a, b)
        return self.binary(name, a, b)

    def read_variable(self, name: str) -> Value:
        """Return the value of a local variable; see `KernelEmitter`."""
        raise NotImplementedError

    def call(self, function: Callable[..., Any], arguments: Sequence[Value], named: dict[str, Value]) -> Value:
        """Emit an inlined function call; see `KernelEmitter`."""
        raise NotImplementedError

    def materialize(self, value: Value) -> Value:
        """Replace the Python numbers in a value by LLVM constants; see `KernelEmitter`."""
        raise NotImplementedError

    def _resolve(self, name: str) -> Value:
        try:
            return self.read_variable(name)
        except KeyError:
            names = self.frame.source.scope
        if name in self.frame.source.local_names:
            raise Unsupported(f"{name} may be used before it is assigned")
        if name in names:
            return from_python(names[name])
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise Unsupported(f"{name} is not defined")

    def _compare_chain(self, first: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]) -> Value:
        values = [self.value(node) for node in (first, *others)]
        result: Value = True
        for operator, a, b in zip(operators, values[:-1], values[1:], strict=True):
            result = self._logical_and(result, self.compare(type(operator).__name__, a, b))
        return result

    def _logical_and(self, a: Value, b: Value) -> Value:
        left, right = self.truth(a), self.truth(b)
        if isinstance(left, bool):
            return b if left else False
        if isinstance(right, bool):
            return a if right else False
        return KernelNumber(BOOL, self.builder.and_(left, right))

    def _short_circuit(self, is_and: bool, values: Sequence[ast.expr]) -> Value:
        """Return the result of `and` or `or`, with short-circuit evaluation."""
        first, *others = values
        result = self.truth(self.value(first))
        if not others:
            return result if isinstance(result, bool) else KernelNumber(BOOL, result)
        if isinstance(result, bool):
            return self._short_circuit(is_and, others) if result == is_and else result
        if all(isinstance(node, EAGER_NODES) for operand in others for node in ast.walk(operand)):
            other = self.truth(self._short_circuit(is_and, others))
            if isinstance(other, bool):
                return KernelNumber(BOOL, result) if other == is_and else other
            return KernelNumber(BOOL, (self.builder.and_ if is_and else self.builder.or_)(result, other))
        combined: ast.expr = (
            others[0] if len(others) == 1 else ast.BoolOp(ast.And() if is_and else ast.Or(), list(others))
        )
        decided: ast.expr = ast.Constant(not is_and)
        return self._conditional(result, *((combined, decided) if is_and else (decided, combined)))

    def _conditional(self, test: Any, then: ast.expr, otherwise: ast.expr) -> Value:
        """Return the value of a conditional expression. Only the selected operand is evaluated."""
        if isinstance(test, bool):
            return self.value(then if test else otherwise)
        if all(isinstance(item, ast.Name | ast.Constant) for item in (then, otherwise)):
            values = [self.value(then), self.value(otherwise)]
            if all(is_constant(item) or isinstance(item, KernelNumber) for item in values):
                return self.select_number(KernelNumber(BOOL, test), *values)
        blocks = [self.builder.append_basic_block() for _ in range(3)]
        self.builder.cbranch(test, blocks[0], blocks[1])
        ends: list[Any] = []
        values = []
        self.frame.depth += 1
        for block, node in zip(blocks, (then, otherwise), strict=False):
            self.builder.position_at_end(block)
            values.append(self.materialize(self.value(node)))
            ends.append(self.builder.block)
        self.frame.depth -= 1
        dtype = self.common_dtype(*values) if all(isinstance(item, KernelNumber) for item in values) else None
        slot = None
        for end, value in zip(ends, values, strict=True):
            self.builder.position_at_end(end)
            value = value if dtype is None else self.number(value, dtype)
            slot = slot or self.new_slot(value)
            self._check_same_type(slot.template, value)
            self.write_slot(slot, value)
            self.builder.branch(blocks[2])
        self.builder.position_at_end(blocks[2])
        return self.read_slot(slot)

    def _check_same_type(self, first: Value, second: Value) -> None:
        if slot_type(first) != slot_type(second):
            raise Unsupported("a conditional expression with operands of different types")

    def _attribute(self, value: Value, name: str) -> Value:
        if isinstance(value, KernelArray):
            attribute: Value = {
                "shape": value.shape,
                "ndim": len(value.shape),
                "dtype": value.dtype,
                "itemsize": value.dtype.bitwidth // 8,
            }.get(name)
            if name == "size":
                return self.product(value.shape)
            if attribute is None:
                return Method(value, name)
            return attribute
        if isinstance(value, DType):
            return {"type": value, "itemsize": value.bitwidth // 8}[name]
        if isinstance(value, KernelNumber | TileValue):
            raise Unsupported(f"the attribute {name}")
        return from_python(getattr(value, name))

    def indices(self, node: ast.expr) -> list[Value]:
        """Return the indices in a subscript: integers and `slice` objects."""
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        indices: list[Value] = []
        for index in nodes:
            if isinstance(index, ast.Slice):
                bounds = [
                    None if bound is None else self.value(bound) for bound in (index.lower, index.upper, index.step)
                ]
                indices.append(slice(*bounds))
            else:
                value = self.value(index)
                indices += [*value] if isinstance(value, tuple) and not isinstance(value, KernelNumber) else [value]
        return indices

    def _element(self, value: Value, index: ast.expr) -> Value:
        if isinstance(value, KernelArray):
            return self.element(value, self.indices(index))
        if not isinstance(value, tuple):
            raise Unsupported(f"an element of {value!r}")
        (position,) = self.indices(index)
        if not isinstance(position, KernelNumber):
            return value[position]
        numbers = [self.number(item) for item in value]
        dtype = numbers[0].dtype
        if any(item.dtype is not dtype for item in numbers):
            raise Unsupported("a variable index into a tuple whose entries have different types")
        with self.builder.goto_entry_block():
            table = self.builder.alloca(dtype.llvm, size=len(numbers))
        for k, number in enumerate(numbers):
            self.builder.store(number.value, self.builder.gep(table, [I64(k)], source_etype=dtype.llvm))
        offset = position.value
        negative = self.builder.icmp_signed("<", offset, I64(0))
        offset = self.builder.select(negative, self.builder.add(offset, I64(len(numbers))), offset)
        return KernelNumber(
            dtype, self.builder.load(self.builder.gep(table, [offset], source_etype=dtype.llvm), typ=dtype.llvm)
        )

    # ------------------------------------------------------------------ calls

    def _call_expression(
        self, node: ast.Call, function: ast.expr, arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]
    ) -> Value:
        callee = self.value(function)
        values = self._values(arguments)
        named = {keyword.arg: self.value(keyword.value) for keyword in keywords if keyword.arg}
        if isinstance(callee, Method):
            return self.call_method(callee, values)
        if isinstance(callee, DType):
            return self.number(values[0], callee)
        if hasattr(callee, "py_func"):
            return self.call(callee.py_func, values, named)
        if inspect.isclass(callee) and issubclass(callee, tuple):
            return callee(*values, **named)
        if (emit := intrinsic_code.emitter_of(callee)) is not None:
            return emit(self, values)
        result = self.call_builtin(callee, values, named)
        if result is NotImplemented:
            raise Unsupported(ast.unparse(node))
        return result
