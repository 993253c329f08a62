"""Memory for the buffers that kernels allocate: one stack per thread.

A kernel releases its buffers in reverse order of allocation. On a stack, an allocation takes a few instructions and
reuses memory that is still in the L1 cache. With `malloc`, training steps of one sample took 5 % longer. A buffer that
does not fit on the stack is allocated with `malloc`. Once the stack is empty again, it grows to the size that would
have been sufficient, up to `MAX_STACK_BYTES`.

A buffer starts with a header of three words: the address of the previously allocated buffer (used by `kernel_arrays`),
the address of its elements, and its size in bytes.

Each thread looks up its stack in CPython's thread-specific storage (`PyThread_tss_get`, which does not need the
interpreter). The words that describe the stack are stored in the worker thread's stack frame (`pool_code`) or, for a
Python thread, in an object that is deleted with the thread.
"""

import ctypes
import threading
from functools import cache
from typing import Any, cast

from chainrule.engines.compiled.compiler.kernel_values import I64, LlvmValue, ir, pointer_to

LINE = 64  # bytes of a cache line; the elements of every buffer are aligned to it
MAX_STACK_BYTES = 1 << 22
PREVIOUS, ELEMENTS, SIZE = range(3)  # words of a buffer's header
# Words that describe a stack: addresses of its first byte, first free byte and end; target size in bytes; bytes of live
# buffers allocated with `malloc`; address of the stack's memory block.
FIRST, TOP, END, TARGET_SIZE, HEAP_BYTES, BLOCK = range(6)
STACK_WORDS = BLOCK + 1
FILE_NAME = "buffers"  # name of this code's object file
FUNCTIONS = ALLOCATE, RELEASE, SET_STACK = "chainrule_allocate", "chainrule_release", "chainrule_own"
KEY = "chainrule_key"
PYTHON_FUNCTIONS = {  # CPython function → number of arguments, one word each
    "PyMem_RawMalloc": 1,
    "PyMem_RawFree": 1,
    "PyThread_tss_get": 1,
    "PyThread_tss_set": 2,
}


def external_addresses() -> dict[str, int]:
    """Return symbol → address for the external symbols used by this code."""
    return {KEY: _key(), **{name: address_of(name) for name in PYTHON_FUNCTIONS}}


def address_of(name: str) -> int:
    """Return the address of a CPython function."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@cache
def _key() -> int:
    """Return the address of the thread-specific storage key for each thread's stack."""
    python: Any = ctypes.pythonapi
    python.PyThread_tss_alloc.restype = ctypes.c_void_p
    python.PyThread_tss_create.argtypes = python.PyThread_tss_get.argtypes = [ctypes.c_void_p]
    python.PyThread_tss_get.restype = ctypes.c_void_p
    python.PyThread_tss_set.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    python.PyMem_RawFree.argtypes = [ctypes.c_void_p]
    python.PyMem_RawCalloc.argtypes = [ctypes.c_size_t] * 2
    python.PyMem_RawCalloc.restype = ctypes.c_void_p
    key = python.PyThread_tss_alloc()
    if not key or python.PyThread_tss_create(key):
        raise MemoryError("cannot allocate thread-specific storage for the compiled engine")
    return key


def new_words(count: int) -> "ctypes.Array[ctypes.c_int64]":
    """Return `count` zeroed words. They are never freed, because machine code may use them until the process ends.

    Errors   MemoryError
    """
    _key()
    address = cast("Any", ctypes.pythonapi).PyMem_RawCalloc(count, ctypes.sizeof(ctypes.c_int64))
    if not address:
        raise MemoryError(f"cannot allocate {8 * count} bytes")
    return (ctypes.c_int64 * count).from_address(address)


class ThreadStack:
    """The stack of a Python thread, freed when the thread ends."""

    def __init__(self, words: "ctypes.Array[ctypes.c_int64]") -> None:
        self._words = words
        self._key, self._address, self._python = _key(), ctypes.addressof(words), cast("Any", ctypes.pythonapi)
        self._python.PyThread_tss_set(self._key, self._address)

    def __del__(self) -> None:
        """Free the stack at the end of its thread.

        Global names are not used here, because they may already be deleted when the process ends. During interpreter
        shutdown, the main thread deletes the objects of daemon threads, which may still be running machine code. Their
        stacks are not freed.
        """
        if self._python.PyThread_tss_get(self._key) == self._address:
            self._python.PyThread_tss_set(self._key, None)
            self._python.PyMem_RawFree(self._words[-1])
            self._python.PyMem_RawFree(self._address)


_thread_data = threading.local()


def use_stack() -> None:
    """Create a stack for the current thread unless it already has one."""
    if not hasattr(_thread_data, "stack"):
        _thread_data.stack = ThreadStack(new_words(STACK_WORDS))


def emit_buffers() -> str:
    """Return the LLVM code of the functions that allocate and release buffers and set a thread's stack."""
    module = ir.Module(FILE_NAME)
    ir.Function(module, ir.FunctionType(ir.VoidType(), []), KEY)  # only its address is used
    for name, words in PYTHON_FUNCTIONS.items():
        ir.Function(module, ir.FunctionType(I64, [I64] * words), name)
    for name, emit in (("grow", _grow), (ALLOCATE, _allocate), (RELEASE, _release), (SET_STACK, _set_stack)):
        function = ir.Function(module, ir.FunctionType(I64, [I64]), name)
        emit(_WordEmitter(ir.IRBuilder(function.append_basic_block()), module), *function.args)
    return str(module)


class _WordEmitter:
    """Emits the code of one function that reads and writes words at offsets from an address."""

    def __init__(self, builder: Any, module: Any) -> None:
        self.builder = builder
        self._module = module

    def _at(self, address: LlvmValue, word: int) -> LlvmValue:
        return self.builder.inttoptr(self.builder.add(address, I64(8 * word)), pointer_to(I64))

    def read(self, address: LlvmValue, word: int) -> LlvmValue:
        return self.builder.load(self._at(address, word), typ=I64)

    def write(self, address: LlvmValue, word: int, value: LlvmValue) -> None:
        self.builder.store(value, self._at(address, word))

    def call(self, name: str, *arguments: LlvmValue) -> LlvmValue:
        return self.builder.call(self._module.globals[name], arguments)

    def compare(self, comparison: str, left: LlvmValue, right: LlvmValue) -> LlvmValue:
        """Return the result of comparing two addresses or sizes."""
        return self.builder.icmp_unsigned(comparison, left, right)

    def align(self, address: LlvmValue, offset: int = 0) -> LlvmValue:
        """Return the first cache-line boundary at or after `address + offset`."""
        return self.builder.and_(self.builder.add(address, I64(offset + LINE - 1)), I64(-LINE))

    def key(self) -> LlvmValue:
        """Return the address of the thread-specific storage key."""
        return self.builder.ptrtoint(self._module.globals[KEY], I64)

    def stack(self) -> LlvmValue:
        """Return the address of the current thread's stack, or 0 if it has none."""
        return self.call("PyThread_tss_get", self.key())


def _set_stack(code: _WordEmitter, words: LlvmValue) -> None:
    """Emit code that sets the current thread's stack to zeroed words."""
    code.builder.ret(code.call("PyThread_tss_set", code.key(), words))


def _grow(code: _WordEmitter, stack: LlvmValue) -> None:
    """Emit code that resizes an empty stack to its target size, or to 0 if out of memory."""
    build = code.builder
    target = code.read(stack, TARGET_SIZE)
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


def _allocate(code: _WordEmitter, size: LlvmValue) -> None:
    """Emit code that returns the address of a new buffer's header, or 0 if out of memory.

    A buffer is placed on top of the thread's stack, if there is one and the buffer fits. A stack smaller than its
    target size grows first, but only while it is empty, because its memory moves. Otherwise, the buffer is allocated on
    the heap, and the target size becomes large enough for all buffers in use, up to `MAX_STACK_BYTES`.
    """
    build = code.builder
    stack = code.stack()
    padded = code.align(size, LINE)
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


def _release(code: _WordEmitter, buffer: LlvmValue) -> None:
    """Emit code that releases the current thread's most recently allocated buffer."""
    build = code.builder
    stack = code.stack()
    with build.if_then(code.compare("!=", stack, I64(0)), likely=True):
        above_first = code.compare(">=", buffer, code.read(stack, FIRST))
        with build.if_then(build.and_(above_first, code.compare("<", buffer, code.read(stack, END))), likely=True):
            code.write(stack, TOP, buffer)
            build.ret(I64(0))
        code.write(stack, HEAP_BYTES, build.sub(code.read(stack, HEAP_BYTES), code.read(buffer, SIZE)))
    code.call("PyMem_RawFree", buffer)
    build.ret(I64(0))
