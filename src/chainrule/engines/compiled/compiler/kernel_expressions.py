"""Expressions of a kernel that is compiled."""

# The values of kernels are of any type, and llvmlite has no types.
# pyright: basic

import ast
import builtins
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler import by_hand
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
    known,
    slot_type,
)

EAGER_NODES = (
    *(ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.cmpop),
    *(ast.boolop, ast.Load, ast.Attribute),
)


class KernelExpressions(KernelFunctions):
    """Emitter of expressions."""

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
                found = self.truth(self.value(operand))
                return not found if isinstance(found, bool) else KernelNumber(BOOL, self.builder.not_(found))
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
        """Return the values of entries of a tuple, or of arguments."""
        found: list[Value] = []
        for each in nodes:
            found += [*self.value(each.value)] if isinstance(each, ast.Starred) else [self.value(each)]
        return found

    def apply_operator(self, operator: ast.operator, a: Value, b: Value) -> Value:
        """Return the result of an operator, of each entry where one side is an array."""
        name = type(operator).__name__
        if isinstance(a, KernelArray) or isinstance(b, KernelArray):
            return self.elementwise(lambda one, other: self.binary(name, one, other), a, b)
        return self.binary(name, a, b)

    def read_variable(self, name: str) -> Value:
        """Return the value of a variable; KeyError where there is none."""
        raise NotImplementedError

    def call(self, function: Callable[..., Any], arguments: Sequence[Value], named: dict[str, Value]) -> Value:
        """Emit the lines of a function at the place of its call."""
        raise NotImplementedError

    def materialized(self, value: Value) -> Value:
        """Return a value whose known numbers are numbers of the kernel."""
        raise NotImplementedError

    def _resolve(self, name: str) -> Value:
        try:
            return self.read_variable(name)
        except KeyError:
            names = self.frame.source.scope
        if name in self.frame.source.local_names:
            raise Unsupported(f"{name} may have no value yet")
        if name in names:
            return from_python(names[name])
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise Unsupported(f"{name} is not known")

    def _compare_chain(self, left: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]) -> Value:
        values = [self.value(each) for each in (left, *others)]
        found: Value = True
        for operator, one, other in zip(operators, values[:-1], values[1:], strict=True):
            found = self._logical_and(found, self.compare(type(operator).__name__, one, other))
        return found

    def _logical_and(self, a: Value, b: Value) -> Value:
        one, other = self.truth(a), self.truth(b)
        if isinstance(one, bool):
            return b if one else False
        if isinstance(other, bool):
            return a if other else False
        return KernelNumber(BOOL, self.builder.and_(one, other))

    def _short_circuit(self, every: bool, values: Sequence[ast.expr]) -> Value:
        """Return whether all values are true, or any; none is looked at behind the one that decides."""
        first, *rest = values
        found = self.truth(self.value(first))
        if not rest:
            return found if isinstance(found, bool) else KernelNumber(BOOL, found)
        if isinstance(found, bool):
            return self._short_circuit(every, rest) if found == every else found
        if all(isinstance(each, EAGER_NODES) for one in rest for each in ast.walk(one)):
            other = self.truth(self._short_circuit(every, rest))
            if isinstance(other, bool):
                return KernelNumber(BOOL, found) if other == every else other
            return KernelNumber(BOOL, (self.builder.and_ if every else self.builder.or_)(found, other))
        more: ast.expr = rest[0] if len(rest) == 1 else ast.BoolOp(ast.And() if every else ast.Or(), list(rest))
        decided: ast.expr = ast.Constant(not every)
        return self._conditional(found, *((more, decided) if every else (decided, more)))

    def _conditional(self, test: Any, then: ast.expr, otherwise: ast.expr) -> Value:
        """Return one of two values; only that one is computed."""
        if isinstance(test, bool):
            return self.value(then if test else otherwise)
        if all(isinstance(each, ast.Name | ast.Constant) for each in (then, otherwise)):
            values = [self.value(then), self.value(otherwise)]
            if all(known(each) or isinstance(each, KernelNumber) for each in values):
                return self.select_number(KernelNumber(BOOL, test), *values)
        blocks = [self.builder.append_basic_block() for _ in range(3)]
        self.builder.cbranch(test, blocks[0], blocks[1])
        ends: list[Any] = []
        values = []
        self.frame.depth += 1
        for block, node in zip(blocks, (then, otherwise), strict=False):
            self.builder.position_at_end(block)
            values.append(self.materialized(self.value(node)))
            ends.append(self.builder.block)
        self.frame.depth -= 1
        kind = self.common_dtype(*values) if all(isinstance(each, KernelNumber) for each in values) else None
        slot = None
        for end, value in zip(ends, values, strict=True):
            self.builder.position_at_end(end)
            value = value if kind is None else self.number(value, kind)
            slot = slot or self.new_slot(value)
            self._check_same_type(slot.like, value)
            self.write_slot(slot, value)
            self.builder.branch(blocks[2])
        self.builder.position_at_end(blocks[2])
        return self.read_slot(slot)

    def _check_same_type(self, one: Value, other: Value) -> None:
        if slot_type(one) != slot_type(other):
            raise Unsupported("a choice between values of two types")

    def _attribute(self, value: Value, name: str) -> Value:
        if isinstance(value, KernelArray):
            found: Value = {
                "shape": value.shape,
                "ndim": len(value.shape),
                "dtype": value.kind,
                "itemsize": value.kind.bitwidth // 8,
            }.get(name)
            if name == "size":
                return self.product(value.shape)
            if found is None:
                return Method(value, name)
            return found
        if isinstance(value, DType):
            return {"type": value, "itemsize": value.bitwidth // 8}[name]
        if isinstance(value, KernelNumber | TileValue):
            raise Unsupported(f"the attribute {name}")
        return from_python(getattr(value, name))

    def indices(self, node: ast.expr) -> list[Value]:
        """Return the indices of an element or a part."""
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        found: list[Value] = []
        for each in nodes:
            if isinstance(each, ast.Slice):
                bounds = [None if one is None else self.value(one) for one in (each.lower, each.upper, each.step)]
                found.append(slice(*bounds))
            else:
                value = self.value(each)
                found += [*value] if isinstance(value, tuple) and not isinstance(value, KernelNumber) else [value]
        return found

    def _element(self, value: Value, index: ast.expr) -> Value:
        if isinstance(value, KernelArray):
            return self.element(value, self.indices(index))
        if not isinstance(value, tuple):
            raise Unsupported(f"an element of {value!r}")
        (place,) = self.indices(index)
        if not isinstance(place, KernelNumber):
            return value[place]
        numbers = [self.number(each) for each in value]
        kind = numbers[0].kind
        if any(each.kind is not kind for each in numbers):
            raise Unsupported("an entry of a tuple of several types")
        with self.builder.goto_entry_block():
            room = self.builder.alloca(kind.llvm, size=len(numbers))
        for k, number in enumerate(numbers):
            self.builder.store(number.value, self.builder.gep(room, [I64(k)], source_etype=kind.llvm))
        at = place.value
        negative = self.builder.icmp_signed("<", at, I64(0))
        at = self.builder.select(negative, self.builder.add(at, I64(len(numbers))), at)
        return KernelNumber(
            kind, self.builder.load(self.builder.gep(room, [at], source_etype=kind.llvm), typ=kind.llvm)
        )

    # ------------------------------------------------------------------ calls

    def _call_expression(
        self, node: ast.Call, function: ast.expr, arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]
    ) -> Value:
        callee = self.value(function)
        given = self._values(arguments)
        named = {each.arg: self.value(each.value) for each in keywords if each.arg}
        if isinstance(callee, Method):
            return self.call_method(callee, given)
        if isinstance(callee, DType):
            return self.number(given[0], callee)
        if hasattr(callee, "py_func"):
            return self.call(callee.py_func, given, named)
        if inspect.isclass(callee) and issubclass(callee, tuple):
            return callee(*given, **named)
        if (hand := by_hand.found(callee)) is not None:
            return hand(self, given)
        found = self.call_builtin(callee, given, named)
        if found is NotImplemented:
            raise Unsupported(ast.unparse(node))
        return found
