"""Memory of the buffers that kernels make: a stack for each thread.

A kernel releases its buffers in the reverse order of their making. On a stack, making one takes a few instructions, and
it lies where the last one lay, in the fastest cache: with `malloc`, training steps of one sample took 5 % longer. What
does not fit lies apart, in memory of `malloc`'s. When the stack is empty again it becomes as large as it would have had
to be, up to `MAX_STACK_BYTES`.

A buffer begins with its head: the address of the buffer made before it (`kernel_arrays`), that of its elements, and
its bytes.

A thread finds its stack by a key of CPython's (`PyThread_tss_get`, which needs no interpreter). The words of a worker's
stack are in its frame (`pool_code`), those of a thread of Python's in an object that ends with the thread.
"""

import ctypes
import threading
from functools import cache
from typing import Any, cast

from chainrule.engines.compiled.compiler.kernel_values import I64, ir, pointer_to

LINE = 64  # bytes: of the caches; every buffer's elements begin with one
MAX_STACK_BYTES = 1 << 22  # bytes of a stack
PREVIOUS, ELEMENTS, SIZE = range(3)  # words of a head
# Words of a stack: addresses; bytes that it should have, and of living buffers that lie apart; what `malloc` returned.
FIRST, TOP, END, TARGET_SIZE, HEAP_BYTES, BLOCK = range(6)
STACK_WORDS = BLOCK + 1
FILE_NAME = "buffers"  # of the file of this code
FUNCTIONS = ALLOCATE, RELEASE, SET_STACK = "chainrule_allocate", "chainrule_release", "chainrule_own"
KEY = "chainrule_key"
PYTHON_FUNCTIONS = {  # functions of CPython's, and how many words they take
    "PyMem_RawMalloc": 1,
    "PyMem_RawFree": 1,
    "PyThread_tss_get": 1,
    "PyThread_tss_set": 2,
}


def external_addresses() -> dict[str, int]:
    """Return the addresses of what this code finds by its name."""
    return {KEY: _key(), **{name: address_of(name) for name in PYTHON_FUNCTIONS}}


def address_of(name: str) -> int:
    """Return the address of a function of CPython's."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@cache
def _key() -> int:
    """Return the address of the key under which each thread finds its stack."""
    python: Any = ctypes.pythonapi
    python.PyThread_tss_alloc.restype = ctypes.c_void_p
    python.PyThread_tss_create.argtypes = python.PyThread_tss_get.argtypes = [ctypes.c_void_p]
    python.PyThread_tss_get.restype = ctypes.c_void_p
    python.PyThread_tss_set.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    python.PyMem_RawFree.argtypes = [ctypes.c_void_p]
    python.PyMem_RawCalloc.argtypes, python.PyMem_RawCalloc.restype = [ctypes.c_size_t] * 2, ctypes.c_void_p
    key = python.PyThread_tss_alloc()
    if not key or python.PyThread_tss_create(key):
        raise MemoryError("no key for the memory of threads")
    return key


def new_words(count: int) -> "ctypes.Array[ctypes.c_int64]":
    """Return words, all 0, in memory that outlives every Python object: machine code may use it until the process ends.

    Errors   MemoryError
    """
    _key()
    address = cast("Any", ctypes.pythonapi).PyMem_RawCalloc(count, ctypes.sizeof(ctypes.c_int64))
    if not address:
        raise MemoryError(f"no memory for {count} words")
    return (ctypes.c_int64 * count).from_address(address)


class ThreadStack:
    """The stack of a thread of Python's, for as long as that thread lasts."""

    def __init__(self, words: "ctypes.Array[ctypes.c_int64]") -> None:
        self._words = words
        self._key, self._address, self._python = _key(), ctypes.addressof(words), cast("Any", ctypes.pythonapi)
        self._python.PyThread_tss_set(self._key, self._address)

    def __del__(self) -> None:
        """Free the stack at the end of its thread; when the process ends, global names may be gone.

        While the interpreter shuts down, the main thread deletes the objects of daemon threads, which may still be
        running machine code: their stacks are left to the operating system.
        """
        if self._python.PyThread_tss_get(self._key) == self._address:
            self._python.PyThread_tss_set(self._key, None)
            self._python.PyMem_RawFree(self._words[-1])
            self._python.PyMem_RawFree(self._address)


_thread_data = threading.local()


def use_stack() -> None:
    """Give the running thread a stack, unless it has one."""
    if not hasattr(_thread_data, "stack"):
        _thread_data.stack = ThreadStack(new_words(STACK_WORDS))


def emit_buffers() -> str:
    """Return the code with which kernels allocate and release buffers, and threads acquire a stack."""
    module = ir.Module(FILE_NAME)
    ir.Function(module, ir.FunctionType(ir.VoidType(), []), KEY)  # an address, whatever lies there
    for name, words in PYTHON_FUNCTIONS.items():
        ir.Function(module, ir.FunctionType(I64, [I64] * words), name)
    for name, emit in (("grow", _grow), (ALLOCATE, _allocate), (RELEASE, _release), (SET_STACK, _set_stack)):
        function = ir.Function(module, ir.FunctionType(I64, [I64]), name)
        emit(_WordEmitter(ir.IRBuilder(function.append_basic_block()), module), *function.args)
    return str(module)


class _WordEmitter:
    """Emitter of the code of one function, which reads and writes words after an address."""

    def __init__(self, builder: Any, module: Any) -> None:
        self.builder, self._module = builder, module

    def _at(self, address: Any, word: int) -> Any:
        return self.builder.inttoptr(self.builder.add(address, I64(8 * word)), pointer_to(I64))

    def read(self, address: Any, word: int) -> Any:
        return self.builder.load(self._at(address, word), typ=I64)

    def write(self, address: Any, word: int, value: Any) -> None:
        self.builder.store(value, self._at(address, word))

    def call(self, name: str, *arguments: Any) -> Any:
        return self.builder.call(self._module.globals[name], arguments)

    def compare(self, comparison: str, left: Any, right: Any) -> Any:
        """Return how two addresses or sizes compare."""
        return self.builder.icmp_unsigned(comparison, left, right)

    def align(self, address: Any, ahead: int = 0) -> Any:
        """Return the first address aligned to a line of the cache that is at least `ahead` bytes after another."""
        return self.builder.and_(self.builder.add(address, I64(ahead + LINE - 1)), I64(-LINE))

    def key(self) -> Any:
        """Return the address of the key of stacks."""
        return self.builder.ptrtoint(self._module.globals[KEY], I64)

    def stack(self) -> Any:
        """Return the address of the stack of the running thread, or 0."""
        return self.call("PyThread_tss_get", self.key())


def _set_stack(code: _WordEmitter, words: Any) -> None:
    """Let the running thread have a stack: these words, all of them 0."""
    code.builder.ret(code.call("PyThread_tss_set", code.key(), words))


def _grow(code: _WordEmitter, stack: Any) -> None:
    """Give an empty stack as many bytes as are wanted, or none where there is no memory."""
    build, target = code.builder, code.read(stack, TARGET_SIZE)
    code.call("PyMem_RawFree", code.read(stack, BLOCK))
    block = code.call("PyMem_RawMalloc", build.add(target, I64(LINE)))
    first = code.align(block)
    size = build.select(code.compare("==", block, I64(0)), I64(0), target)
    for word, value in (
        (BLOCK, block),
        (FIRST, first),
        (TOP, first),
        (END, build.add(first, size)),
        (TARGET_SIZE, size),
    ):
        code.write(stack, word, value)
    build.ret(I64(0))


def _allocate(code: _WordEmitter, size: Any) -> None:
    """Return the address of the head of a buffer of this size, or 0 if there is no memory."""
    build, stack, padded = code.builder, code.stack(), code.align(size, LINE)
    has_stack = code.compare("!=", stack, I64(0))
    with build.if_then(has_stack, likely=True):
        first, top, heap_bytes = (code.read(stack, word) for word in (FIRST, TOP, HEAP_BYTES))
        empty = build.and_(code.compare("==", top, first), code.compare("==", heap_bytes, I64(0)))
        small = code.compare(">", build.add(first, code.read(stack, TARGET_SIZE)), code.read(stack, END))
        with build.if_then(build.and_(empty, small), likely=False):
            code.call("grow", stack)
        top = code.read(stack, TOP)
        after = build.add(top, padded)
        with build.if_then(code.compare("<=", after, code.read(stack, END)), likely=True):
            code.write(stack, TOP, after)
            code.write(top, ELEMENTS, build.add(top, I64(LINE)))
            build.ret(top)
    block = code.call("PyMem_RawMalloc", build.add(padded, I64(LINE)))
    with build.if_then(code.compare("!=", block, I64(0))):
        code.write(block, ELEMENTS, code.align(block, LINE))
        code.write(block, SIZE, padded)
        with build.if_then(has_stack):
            heap_bytes = build.add(code.read(stack, HEAP_BYTES), padded)
            code.write(stack, HEAP_BYTES, heap_bytes)
            needed = build.add(build.sub(code.read(stack, TOP), code.read(stack, FIRST)), heap_bytes)
            needed = build.select(code.compare("<", needed, I64(MAX_STACK_BYTES)), needed, I64(MAX_STACK_BYTES))
            with build.if_then(code.compare(">", needed, code.read(stack, TARGET_SIZE))):
                code.write(stack, TARGET_SIZE, needed)
    build.ret(block)


def _release(code: _WordEmitter, buffer: Any) -> None:
    """Release the buffer that was made last, of those that the running thread still has."""
    build, stack = code.builder, code.stack()
    with build.if_then(code.compare("!=", stack, I64(0)), likely=True):
        above_first = code.compare(">=", buffer, code.read(stack, FIRST))
        with build.if_then(build.and_(above_first, code.compare("<", buffer, code.read(stack, END))), likely=True):
            code.write(stack, TOP, buffer)
            build.ret(I64(0))
        code.write(stack, HEAP_BYTES, build.sub(code.read(stack, HEAP_BYTES), code.read(buffer, SIZE)))
    code.call("PyMem_RawFree", buffer)
    build.ret(I64(0))
