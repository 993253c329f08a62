"""The program compiler, which emits LLVM code directly from the source of programs.

A program creates views of arrays and calls kernels, which do all arithmetic. It is written in a small subset of Python:
assignments, `for`, `prange`, `turns`, and the expressions supported by `program_expressions`. The code can therefore be
emitted line by line in milliseconds. A compiler for full Python takes seconds for every new network.

The body of a parallel loop becomes a function, which threads call with the variables that the body reads.
`for k in prange(count)` runs iterations 0 to count − 1. `for k, thread in turns(count, threads)` also provides the
index of the thread that runs the iteration.

Functions return 0 or the error code of a failed kernel.

Tried with llvmlite 0.50 (only `ir` is used). `read_arguments` relies on the layout of NumPy's array and dtype
objects, which its C API documents.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler.denormals import flush_denormals, restore_denormals
from chainrule.engines.compiled.compiler.kernel_entry import llvm_types
from chainrule.engines.compiled.compiler.kernel_values import DOUBLE, I8, I32, I64, LlvmValue, ir, pointer_to
from chainrule.engines.compiled.compiler.program_expressions import (
    ArrayValue,
    Expressions,
    Value,
    llvm_values,
    rebuild,
    unsupported,
)
from chainrule.engines.compiled.compiler.signatures import WRONG_ARRAY, Link, TupleType, is_array
from chainrule.engines.native.calls import AXES, CKernel

# Byte offsets of fields in array objects (address of the elements, number of axes, address of the shape, dtype, flags)
# and in dtype objects (byte order, type number).
DATA = object.__basicsize__
AXIS_COUNT, SHAPE, DTYPE, FLAGS = DATA + 8, DATA + 16, DATA + 40, DATA + 48
BYTE_ORDER, DTYPE_NUMBER = DATA + 10, DATA + 12
CONTIGUOUS = 1  # NPY_ARRAY_C_CONTIGUOUS, a bit of the flags


ArgumentTypes = Sequence[Any]  # see `signatures`


def emit(
    name: str,
    tree: ast.Module,
    kernels: Mapping[str, Link],
    function_types: Mapping[str, ArgumentTypes],
    processor: str,
) -> Any:
    """Return an LLVM module whose function `name` runs the program's function `run`.

    The argument of `name` is the address of a table of arguments for `run`: addresses of array objects, and numbers.

    kernels         symbol of a kernel → its link
    function_types  name of a function of the program → types of its arguments
    processor       processor family, the first word of LLVM's target triple
    """
    module = ir.Module(name)
    context = ModuleContext(module, kernels, {})
    for node in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        types = function_types[node.name]
        if node.name == "run":
            function = ir.Function(module, ir.FunctionType(I64, [I64]), "run")
            function.linkage = "internal"
            _emit_entry(function, name, processor)
            emitter = Emitter(context, function)
            arguments = emitter.read_arguments(function.args[0], types)
        else:
            counts = [1 + argument_type[1] if is_array(argument_type) else 1 for argument_type in types]
            function = ir.Function(module, ir.FunctionType(I64, [I64] * sum(counts)), node.name)
            function.linkage = "internal"
            context.functions[node.name] = function
            emitter = Emitter(context, function)
            numbers = iter(function.args)
            arguments = list[Value]()
            for argument_type, count in zip(types, counts, strict=True):
                first, *shape = (next(numbers) for _ in range(count))
                arguments.append(ArrayValue(argument_type[0], first, shape) if is_array(argument_type) else first)
        for argument, value in zip(node.args.args, arguments, strict=True):
            emitter.assign(argument.arg, value)
        emitter.emit_statements(node.body)
        emitter.builder.ret(I64(0))
    return module


def _emit_entry(run: Any, name: str, processor: str) -> None:
    """Emit the function that is called from Python. It enables flushing of denormals during a call of `run`."""
    function = ir.Function(run.module, run.function_type, name)
    builder = ir.IRBuilder(function.append_basic_block())
    before = flush_denormals(builder, processor)
    failed = builder.call(run, function.args)
    restore_denormals(builder, before)
    builder.ret(failed)


class ModuleContext(NamedTuple):
    """The state shared by the emitters of a program's functions."""

    module: Any
    kernels: Mapping[str, Link]
    functions: dict[str, Any]

    def declare(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Return an external function, declared if necessary."""
        if name not in self.module.globals:
            ir.Function(self.module, ir.FunctionType(result, arguments), name)
        return self.module.globals[name]


class Emitter(Expressions):
    """Emits the lines of one function."""

    def __init__(self, context: ModuleContext, function: Any) -> None:
        entry = function.append_basic_block("entry")
        first = function.append_basic_block()
        ir.IRBuilder(entry).branch(first)
        super().__init__(ir.IRBuilder(first))
        self._context = context
        self._function = function

    def emit_statements(self, body: Sequence[ast.stmt]) -> None:
        """Emit a list of statements, which have one of these forms:

            x = …    x, y = …, …    a[i] = 0
            for k in range(…)    for k in prange(n)    for k, thread in turns(n, threads)
            call('kernel', (…))    function_of_the_program(…)

        The iterations of `prange` and `turns` are divided among threads. `turns` also yields the index of the thread.
        """
        for node in body:
            match node:
                case ast.Assign([ast.Name(name)], value):
                    self.assign(name, self.evaluate(value))
                case ast.Assign([ast.Tuple(names)], ast.Tuple(values)):
                    for name, value in zip(names, [self.evaluate(value) for value in values], strict=True):
                        self.assign(ast.unparse(name), value)
                case ast.Assign([ast.Subscript(ast.Name(name), index)], value) if isinstance(value, ast.Constant):
                    array: ArrayValue = self.read_variable(name)
                    llvm_type = {"float64": DOUBLE, "float32": ir.FloatType(), "int32": I32}[array.dtype]
                    address = self.element_address(array, self.evaluate(index))
                    self.builder.store(llvm_type(value.value), self._pointer(address, llvm_type))
                case ast.For(ast.Name(name), ast.Call(ast.Name("range"), bounds), inner):
                    self._emit_loop(name, [self.evaluate(bound) for bound in bounds], inner)
                case ast.For(ast.Name(name), ast.Call(ast.Name("prange"), [count]), inner):
                    number = self.evaluate(count)
                    self._emit_parallel_loop((name,), number, number, inner)
                case ast.For(ast.Tuple([ast.Name(name), ast.Name(thread)]), ast.Call(ast.Name("turns"), bounds), inner):
                    count, threads = map(self.evaluate, bounds)
                    self._emit_parallel_loop((name, thread), count, threads, inner)
                case ast.Expr(ast.Call(ast.Name("call"), [ast.Constant(symbol), ast.Tuple(arguments)])):
                    self._call_kernel(str(symbol), [self.evaluate(argument) for argument in arguments])
                case ast.Expr(ast.Call(ast.Name(name), arguments)) if name in self._context.functions:
                    numbers = list[LlvmValue]()
                    for argument in arguments:
                        numbers += llvm_values(self.evaluate(argument))
                    self._return_error(self.builder.call(self._context.functions[name], numbers))
                case _:
                    raise unsupported(node)

    def read_arguments(self, table: LlvmValue, types: ArgumentTypes) -> list[Value]:
        """Read the arguments of a program from a table of numbers and the addresses of array objects."""
        values: list[Value] = []
        for index, argument_type in enumerate(types):
            address = self.builder.add(table, I64(8 * index))
            if is_array(argument_type):
                array = self._load(address)
                self._emit_array_check(array, *argument_type)
                shape = self._load(self.builder.add(array, I64(SHAPE)))
                sizes = [self._load(self.builder.add(shape, I64(8 * axis))) for axis in range(argument_type[1])]
                values.append(ArrayValue(argument_type[0], self._load(self.builder.add(array, I64(DATA))), sizes))
            else:
                values.append(
                    None if argument_type is None else self._load(address, DOUBLE if argument_type is float else I64)
                )
        return values

    def _emit_array_check(self, array: Any, dtype: str, axes: int) -> None:
        """Emit code that returns `WRONG_ARRAY` unless an array is contiguous with this dtype and number of axes."""
        dtype_object = self._load(self.builder.add(array, I64(DTYPE)))
        flags = self.builder.and_(self._load(self.builder.add(array, I64(FLAGS)), I32), I32(CONTIGUOUS))
        for actual, expected in (
            (self._load(self.builder.add(dtype_object, I64(DTYPE_NUMBER)), I32), np.dtype(dtype).num),
            (self._load(self.builder.add(dtype_object, I64(BYTE_ORDER)), I8), ord(np.dtype(dtype).byteorder)),
            (self._load(self.builder.add(array, I64(AXIS_COUNT)), I32), axes),
            (flags, CONTIGUOUS),
        ):
            with self.builder.if_then(self.builder.icmp_signed("!=", actual, actual.type(expected)), likely=False):
                self.builder.ret(I64(WRONG_ARRAY))

    def _load(self, address: Any, llvm_type: Any = I64) -> Any:
        return self.builder.load(self._pointer(address, llvm_type), typ=llvm_type)

    def _pointer(self, address: Any, llvm_type: Any) -> Any:
        return self.builder.inttoptr(address, pointer_to(llvm_type))

    def _address(self, pointer: LlvmValue) -> LlvmValue:
        return self.builder.ptrtoint(pointer, I64)

    def _return_error(self, error: LlvmValue) -> None:
        """Emit code that returns an error code unless it is 0."""
        with self.builder.if_then(self.builder.icmp_signed("!=", error, I64(0)), likely=False):
            self._emit_return(error)

    def _emit_return(self, error: LlvmValue) -> None:
        """Emit code that returns an error code."""
        self.builder.ret(error)

    def _emit_loop(self, name: str, bounds: Sequence[LlvmValue], body: Sequence[ast.stmt]) -> None:
        """Emit a loop over range(*bounds)."""
        begin, end, step = {1: (I64(0), *bounds, I64(1)), 2: (*bounds, I64(1))}.get(len(bounds), bounds)
        blocks = [self._function.append_basic_block() for _ in range(3)]
        self.assign(name, begin)
        self.builder.branch(blocks[0])
        self.builder.position_at_end(blocks[0])
        self.builder.cbranch(self.builder.icmp_signed("<", self.read_variable(name), end), blocks[1], blocks[2])
        self.builder.position_at_end(blocks[1])
        self.emit_statements(body)
        self.assign(name, self.builder.add(self.read_variable(name), step))
        self.builder.branch(blocks[0])
        self.builder.position_at_end(blocks[2])

    def _call_kernel(self, symbol: str, arguments: Sequence[Value]) -> None:
        """Emit a call of a kernel by its symbol. If the kernel fails, the program returns its error code."""
        link = self._context.kernels[symbol]
        types = link.types
        if isinstance(link.kernel, CKernel):
            self._call_in_c(link, arguments)
            return
        values = list[LlvmValue]()
        for argument, argument_type in zip(arguments, types, strict=True):
            values += self._kernel_arguments(argument, argument_type)
        function = self._context.declare(symbol, I64, llvm_types(types))
        self._return_error(self.builder.call(function, values))

    def _call_in_c(self, link: Link, arguments: Sequence[Value]) -> None:
        """Emit a call of a kernel in C, with tables of its arrays and of its numbers."""
        kernel = link.kernel
        arrays, numbers = list[LlvmValue](), list[LlvmValue]()
        for index, (value, kind) in enumerate(zip(arguments, link.types, strict=True)):
            if index >= kernel.arrays:
                words = [I64(0)] if kind is None else self._kernel_arguments(value, kind)
                floats = kernel.is_float(index)
                for k, word in enumerate(words):
                    numbers.append(self._word(word, is_float=floats[k % len(floats)]))
            elif value is None:
                arrays += [I64(0)] * 2 + [I64(1)] * AXES
            else:
                address, *shape = self._kernel_arguments(value, kind)
                arrays += [address, I64(len(shape)), *shape, *[I64(1)] * (AXES - len(shape))]
        function = self._context.declare(link.symbol, ir.VoidType(), [])
        call = self._context.declare("chainrule_call", I32, [I64] * 3)
        tables = [self._emit_table(words or [I64(0)]) for words in (arrays, numbers)]
        status = self.builder.call(call, [self._address(function), *tables])
        self._return_error(self.builder.zext(status, I64))

    def _word(self, number: Any, *, is_float: bool) -> LlvmValue:
        """Return a number as a word: an int64, or the bits of a double."""
        if is_float:
            return self.builder.bitcast(self._convert(number, float), I64)
        return self.builder.zext(number, I64) if number.type == I8 else number

    def _kernel_arguments(self, value: Value, argument_type: Any) -> list[Any]:
        """Return the LLVM values that are passed to a kernel for one argument.

        Errors   TypeError if the value does not have the declared type
        """
        if isinstance(argument_type, TupleType):
            numbers = list[LlvmValue]()
            for item, item_type in zip(value, argument_type, strict=True):
                numbers += self._kernel_arguments(item, item_type)
            return numbers
        if (
            is_array(argument_type)
            and isinstance(value, ArrayValue)
            and (value.dtype, len(value.shape)) == argument_type
        ):
            return llvm_values(value)
        if is_array(argument_type) or isinstance(value, ArrayValue) or (argument_type is None) != (value is None):
            raise TypeError(f"a kernel expects an argument of type {argument_type}, but the program passes {value}")
        if argument_type is None:
            return []
        return [self._convert(value, argument_type)]

    def _convert(self, value: Value, number_type: Any) -> Any:
        """Convert a number to a type."""
        if number_type is float and value.type == I64:
            return self.builder.sitofp(value, DOUBLE)
        if number_type is bool:
            if isinstance(value, bool):
                return I8(int(value))
            return self.builder.trunc(value, I8)
        return value

    def _emit_parallel_loop(
        self, names: Sequence[str], count: LlvmValue, max_threads: LlvmValue, body: Sequence[ast.stmt]
    ) -> None:
        """Emit a loop that runs on at most `max_threads` threads. Its body becomes a function.

        The arguments of this function are the iteration, the address of a table of the variables that the body reads,
        and the index of the thread. If an iteration fails, its error code is written to the end of the table.

        names  variables of the loop: the iteration and, optionally, the thread
        """
        used = set[str]()
        for line in body:
            used |= {node.id for node in ast.walk(line) if isinstance(node, ast.Name)}
        read = {name: self.read_variable(name) for name in self.variables if name in used}
        numbers = list[LlvmValue]()
        for value in read.values():
            numbers += llvm_values(value)
        table = self._emit_table([*(self._as_int64(number) for number in numbers), I64(0)])
        function_type = ir.FunctionType(ir.VoidType(), [I64] * 3)
        function = ir.Function(self._context.module, function_type, f"turn_{len(self._context.module.globals)}")
        function.linkage = "internal"
        _IterationEmitter(self._context, function).emit(names, read, body)
        share_out = self._context.declare("chainrule_share_out", ir.VoidType(), [I64] * 5)
        pool = self._address(self._context.declare("chainrule_pool", ir.VoidType(), []))
        self.builder.call(share_out, [pool, self._address(function), table, count, max_threads])
        self._return_error(self._load(self.builder.add(table, I64(8 * len(numbers)))))

    def _as_int64(self, number: Any) -> Any:
        if number.type == I64:
            return number
        return self.builder.bitcast(number, I64)

    def _emit_table(self, numbers: Sequence[LlvmValue]) -> LlvmValue:
        """Emit code that stores numbers in a table on the stack, and return the table's address."""
        with self.builder.goto_entry_block():
            table = self.builder.alloca(I64, size=len(numbers))
        address = self._address(table)
        for index, number in enumerate(numbers):
            self.builder.store(number, self._pointer(self.builder.add(address, I64(8 * index)), I64))
        return address


class _IterationEmitter(Emitter):
    """Emits the function that runs one iteration of a parallel loop.

    Its arguments are the iteration, the address of the table of variables, and the index of the thread.
    """

    def emit(self, names: Sequence[str], read: Mapping[str, Value], body: Sequence[ast.stmt]) -> None:
        """Emit the function.

        names  variables for the iteration and, optionally, for the thread
        read   name of a variable that the body reads → its value in the enclosing function
        """
        number, table, thread = self._function.args
        index = 0
        for variable, value in read.items():
            parts: list[LlvmValue] = []
            for part in llvm_values(value):
                parts.append(self._load(self.builder.add(table, I64(8 * index)), part.type))
                index += 1
            self.assign(variable, rebuild(value, parts))
        self._error = self.builder.add(table, I64(8 * index))
        for name, value in zip(names, (number, thread), strict=False):
            self.assign(name, value)
        self.emit_statements(body)
        self.builder.ret_void()

    def _emit_return(self, error: LlvmValue) -> None:
        self.builder.store(error, self._pointer(self._error, I64))
        self.builder.ret_void()
