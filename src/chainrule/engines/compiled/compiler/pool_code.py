"""Code of the worker thread pool (`threads`), which programs call to run parallel loops.

Each thread first runs the iterations in its own range, whose data may be in its cache. It then runs iterations that
other threads have not started, so iterations assigned to a suspended thread are still completed.

To claim an iteration, a thread decrements the counter of a range. The counter's word contains the loop's number and, in
its low `COUNTER_BITS` bits, the number of remaining iterations. The words that describe a loop change only after all of
its iterations are done. A late thread therefore finds either no remaining iteration or another loop's number, and never
runs an iteration of a later loop by mistake.

Words used for communication are accessed in sequentially consistent order (`seq_cst`). Words published by a later write
of the loop's number are written with `monotonic` order: with `seq_cst`, each of these writes would wait until no other
processor owns the cache line.

tests/engines/test_pool.py runs this code in every interleaving of up to three threads.

Tried with llvmlite 0.50 (only `ir` is used). The code also calls CPython's `PyThread_acquire_lock` and
`PyThread_release_lock`, which do not need the interpreter.
"""

import contextlib
import functools
from collections.abc import Generator
from typing import Any

from chainrule.engines.compiled.compiler import buffers
from chainrule.engines.compiled.compiler.denormals import MXCSR_PROCESSORS, flush_denormals
from chainrule.engines.compiled.compiler.kernel_values import I32, I64, LlvmValue, ir, pointer_to

SPACING = 16  # distance between words written by different threads, in words: two cache lines
# Words of the pool, `SPACING` apart: number of the current loop; number of completed iterations; whether the loop's
# calling thread is asleep; whether a loop is running; number of worker threads started; words that rarely change.
LOOP, DONE, WAITING, BUSY, STARTED, THREAD_LIMIT = (SPACING * line for line in range(6))
# Description of the loop, in the same cache line as its number: function, table of variables, iterations, ranges.
FUNCTION, TABLE, COUNT, RANGES = range(LOOP + 1, LOOP + 5)
SPINS, LOCK = THREAD_LIMIT + 1, THREAD_LIMIT + 2
# Words of each thread: counter of its range, whether the thread is asleep, lock on which it sleeps.
THREADS = THREAD_LIMIT + SPACING
ASLEEP, OWN_LOCK, WORDS_PER_THREAD = SPACING, SPACING + 1, 2 * SPACING
COUNTER_BITS = 20
LOCK_FUNCTIONS = ("PyThread_acquire_lock", "PyThread_release_lock")
YIELD_FUNCTION = "chainrule_yield"  # symbol of the system function that yields the processor
MAX_YIELDS = 10_000  # number of yields before a waiting thread sleeps; they take a few milliseconds
PAUSE_INTRINSICS = dict.fromkeys(MXCSR_PROCESSORS, "llvm.x86.sse2.pause")  # processor family → spin-wait hint


def emit_pool(processor: str) -> str:
    """Return the LLVM code of the pool's functions.

    `share_out` runs a parallel loop for a program, `take_turns` runs a thread's iterations of this loop, `work` is the
    main loop of a worker thread, and `spin` busy-waits.
    """
    module = ir.Module("pool")
    nothing = ir.VoidType()
    address = pointer_to(ir.IntType(8))
    ir.Function(module, ir.FunctionType(I32, [address, I32]), "PyThread_acquire_lock")
    ir.Function(module, ir.FunctionType(nothing, [address]), "PyThread_release_lock")
    ir.Function(module, ir.FunctionType(I32, []), YIELD_FUNCTION)
    ir.Function(module, ir.FunctionType(I64, [I64]), buffers.SET_STACK)
    if processor in PAUSE_INTRINSICS:
        ir.Function(module, ir.FunctionType(nothing, []), PAUSE_INTRINSICS[processor])
    work = functools.partial(_work, processor=processor)
    emitters = (("spin", 1, _spin), ("take_turns", 3, _run_iterations), ("share_out", 5, _share_out), ("work", 1, work))
    for name, arguments, emit in emitters:
        function = ir.Function(module, ir.FunctionType(nothing, [I64] * arguments), name)
        emit(_Emitter(function, PAUSE_INTRINSICS.get(processor, "")), *function.args)
    return str(module)


class _Emitter:
    """Emits the code of one function.

    A word of the pool is identified by the pool's address and the offset of the word in words.
    """

    def __init__(self, function: Any, pause: str) -> None:
        self.builder = ir.IRBuilder(function.append_basic_block())
        self._function = function
        self._pause = pause

    def at(self, pool: LlvmValue, word: LlvmValue | int) -> LlvmValue:
        """Return a pointer to a word of the pool."""
        if isinstance(word, int):
            word = I64(word)
        address = self.builder.add(pool, self.builder.mul(word, I64(8)))
        return self.builder.inttoptr(address, pointer_to(I64))

    def load(self, pool: LlvmValue, word: LlvmValue | int) -> LlvmValue:
        """Read a word with `seq_cst` order."""
        return self.builder.load_atomic(self.at(pool, word), "seq_cst", 8, typ=I64)

    def store(self, pool: LlvmValue, word: LlvmValue | int, value: LlvmValue, order: str = "seq_cst") -> None:
        """Write a word."""
        self.builder.store_atomic(value, self.at(pool, word), order, 8)

    def change(self, operation: str, pool: LlvmValue, word: LlvmValue | int, value: int) -> LlvmValue:
        """Modify a word atomically, and return the previous value.

        operation  "xchg" or "add"
        """
        return self.builder.atomic_rmw(operation, self.at(pool, word), I64(value), "seq_cst")

    def compare(self, comparison: str, left: LlvmValue, right: LlvmValue) -> LlvmValue:
        """Return the result of comparing two integers."""
        return self.builder.icmp_signed(comparison, left, right)

    def lock(self, function: str, pool: LlvmValue, word: LlvmValue | int, *arguments: LlvmValue) -> None:
        """Emit a call of a function on one of the pool's locks."""
        lock = self.builder.inttoptr(self.load(pool, word), pointer_to(ir.IntType(8)))
        self.builder.call(self._function.module.globals[function], [lock, *arguments])

    def wake(self, pool: LlvmValue, flag: LlvmValue | int, lock: LlvmValue | int) -> None:
        """Emit code that wakes a thread if its flag is set, which means that the thread is asleep."""
        with self.builder.if_then(self.compare("!=", self.load(pool, flag), I64(0))):
            was_set = self.compare("!=", self.change("xchg", pool, flag, 0), I64(0))
            with self.builder.if_then(was_set):
                self.lock("PyThread_release_lock", pool, lock)

    def wait(
        self,
        pool: LlvmValue,
        word: LlvmValue | int,
        reached: tuple[str, LlvmValue],
        flag: LlvmValue | int,
        lock: LlvmValue | int,
    ) -> None:
        """Emit code that waits until a word satisfies a condition: it spins, then yields, then sleeps until `wake`.

        reached  comparison operator, and the value to compare the word with
        flag     word that is set while the thread sleeps
        lock     word with the address of the lock on which the thread sleeps
        """
        head, asleep, end = (self._function.append_basic_block() for _ in range(3))
        b = self.builder
        spins = self.load(pool, SPINS)
        entry = b.block
        b.branch(head)
        b.position_at_end(head)
        count = b.phi(I64)
        count.add_incoming(I64(0), entry)
        with b.if_then(self.compare(reached[0], self.load(pool, word), reached[1])):
            b.branch(end)
        with b.if_else(self.compare("<", count, spins)) as (awake, yielding):
            with awake:
                self.pause()
            with yielding:
                b.call(self._function.module.globals[YIELD_FUNCTION], [])
        next_count = b.add(count, I64(1))
        count.add_incoming(next_count, b.block)
        b.cbranch(self.compare("<", next_count, b.add(spins, I64(MAX_YIELDS))), head, asleep)
        b.position_at_end(asleep)
        self.change("xchg", pool, flag, 1)
        # The thread that changes the word reads the flag afterwards. Either this thread sees the change, or the other
        # thread sees the flag.
        with b.if_then(self.compare(reached[0], self.load(pool, word), reached[1])):
            unseen = self.compare("!=", self.change("xchg", pool, flag, 0), I64(0))
            with b.if_then(unseen):
                b.branch(end)
        self.lock("PyThread_acquire_lock", pool, lock, I32(1))
        count.add_incoming(I64(0), b.block)
        b.branch(head)
        b.position_at_end(end)

    def pause(self) -> None:
        """Emit a spin-wait hint, if the processor has one."""
        if self._pause:
            self.builder.call(self._function.module.globals[self._pause], [])

    @contextlib.contextmanager
    def loop(self, begin: LlvmValue, end: LlvmValue) -> Generator[LlvmValue]:
        """Emit a loop over range(begin, end). The code emitted within the context becomes its body."""
        head, body, after = (self._function.append_basic_block() for _ in range(3))
        b = self.builder
        entry = self.builder.block
        b.branch(head)
        b.position_at_end(head)
        number = b.phi(I64)
        number.add_incoming(begin, entry)
        b.cbranch(self.compare("<", number, end), body, after)
        b.position_at_end(body)
        yield number
        number.add_incoming(b.add(number, I64(1)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def run_iteration(self, function: LlvmValue, table: LlvmValue, number: LlvmValue, thread: LlvmValue) -> None:
        """Emit a call that runs one iteration of a loop.

        function, table  addresses of the loop's function and of its table of variables
        number           index of the iteration
        thread           index of the thread
        """
        function_type = ir.FunctionType(ir.VoidType(), [I64] * 3)
        self.builder.call(self.builder.inttoptr(function, pointer_to(function_type)), [number, table, thread])


def _spin(emit: _Emitter, times: LlvmValue) -> None:
    """Emit code that executes the spin-wait hint `times` times."""
    with emit.loop(I64(0), times):
        emit.pause()
    emit.builder.ret_void()


def _range_start(emit: _Emitter, number: LlvmValue, count: LlvmValue, ranges: LlvmValue) -> LlvmValue:
    """Return the index of the first iteration in range `number`, if `count` iterations are divided into `ranges`."""
    return emit.builder.sdiv(emit.builder.mul(number, count), ranges)


def _thread_offset(emit: _Emitter, number: LlvmValue) -> LlvmValue:
    """Return the offset of a thread's words."""
    return emit.builder.add(emit.builder.mul(number, I64(WORDS_PER_THREAD)), I64(THREADS))


def _run_iterations(emit: _Emitter, pool: LlvmValue, thread: LlvmValue, loop: LlvmValue) -> None:
    """Emit code that runs iterations of a loop until none are left: those of the thread's own range, then of others.

    An iteration is claimed by decreasing the range's counter with compare-and-exchange, which fails and is repeated if
    another thread was faster. A counter of another loop is left alone. The thread that completes the last iteration
    wakes the caller.

    thread  index of the thread
    loop    number of the loop
    """
    b = emit.builder
    function, table, count, ranges = (emit.load(pool, word) for word in (FUNCTION, TABLE, COUNT, RANGES))
    with b.if_then(emit.compare(">=", thread, ranges)):
        b.ret_void()
    with emit.loop(I64(0), ranges) as step:
        shifted = b.add(thread, step)
        number = b.select(emit.compare("<", shifted, ranges), shifted, b.sub(shifted, ranges))
        end = _range_start(emit, b.add(number, I64(1)), count, ranges)
        thread_offset = _thread_offset(emit, number)
        claim, done = (b.append_basic_block() for _ in range(2))
        b.branch(claim)
        b.position_at_end(claim)
        counter = emit.load(pool, thread_offset)
        remaining = b.and_(counter, I64((1 << COUNTER_BITS) - 1))
        is_other_loop = emit.compare("!=", b.lshr(counter, I64(COUNTER_BITS)), loop)
        with b.if_then(b.or_(is_other_loop, emit.compare("==", remaining, I64(0)))):
            b.branch(done)
        exchange = b.cmpxchg(emit.at(pool, thread_offset), counter, b.sub(counter, I64(1)), "seq_cst", "seq_cst")
        with b.if_then(b.extract_value(exchange, 1)):
            emit.run_iteration(function, table, b.sub(end, remaining), thread)
            with b.if_then(emit.compare("==", b.add(emit.change("add", pool, DONE, 1), I64(1)), count)):
                emit.wake(pool, WAITING, LOCK)
        b.branch(claim)
        b.position_at_end(done)
    b.ret_void()


def _share_out(
    emit: _Emitter, pool: LlvmValue, function: LlvmValue, table: LlvmValue, count: LlvmValue, max_threads: LlvmValue
) -> None:
    """Emit code that runs a parallel loop of `count` iterations on at most `max_threads` threads.

    If there is only one thread, or if the pool is busy with another loop, the calling thread runs all iterations.

    The iterations are divided into as many ranges as threads. The counter of a range contains the number of the loop
    and how many iterations are left. The counters are stored before LOOP, whose change starts the threads. Then the
    sleeping threads are woken, the calling thread takes part as thread 0, and waits until all iterations are DONE.
    """
    b = emit.builder
    ranges = emit.load(pool, THREAD_LIMIT)
    for limit in (count, max_threads):
        ranges = b.select(emit.compare("<", limit, ranges), limit, ranges)
    serial, shared = (b.append_basic_block() for _ in range(2))
    with b.if_then(emit.compare("<", ranges, I64(2))):
        b.branch(serial)
    b.cbranch(emit.compare("!=", emit.change("xchg", pool, BUSY, 1), I64(0)), serial, shared)
    b.position_at_end(serial)
    with emit.loop(I64(0), count) as number:
        emit.run_iteration(function, table, number, I64(0))
    b.ret_void()
    b.position_at_end(shared)
    for word, value in ((FUNCTION, function), (TABLE, table), (COUNT, count), (RANGES, ranges), (DONE, I64(0))):
        emit.store(pool, word, value, "monotonic")
    loop = b.add(emit.load(pool, LOOP), I64(1))
    with emit.loop(I64(0), ranges) as number:
        last, first = (_range_start(emit, edge, count, ranges) for edge in (b.add(number, I64(1)), number))
        counter = b.or_(b.shl(loop, I64(COUNTER_BITS)), b.sub(last, first))
        emit.store(pool, _thread_offset(emit, number), counter, "monotonic")
    emit.store(pool, LOOP, loop)
    with emit.loop(I64(1), ranges) as number:
        thread_offset = _thread_offset(emit, number)
        emit.wake(pool, b.add(thread_offset, I64(ASLEEP)), b.add(thread_offset, I64(OWN_LOCK)))
    b.call(b.module.globals["take_turns"], [pool, I64(0), loop])
    emit.wait(pool, DONE, ("==", count), WAITING, LOCK)
    emit.store(pool, BUSY, I64(0), "release")
    b.ret_void()


def _work(emit: _Emitter, pool: LlvmValue, processor: str) -> None:
    """Emit the main loop of a worker thread, which repeatedly waits for a parallel loop and runs its iterations.

    The thread's index is the number of threads that started before it.
    """
    b = emit.builder
    flush_denormals(b, processor)
    words = ir.ArrayType(I64, buffers.STACK_WORDS)
    stack = b.alloca(words)
    b.store(ir.Constant(words, None), stack)
    b.call(b.module.globals[buffers.SET_STACK], [b.ptrtoint(stack, I64)])
    thread = b.add(emit.change("add", pool, STARTED, 1), I64(1))
    thread_offset = _thread_offset(emit, thread)
    entry = b.block
    head = b.append_basic_block()
    b.branch(head)
    b.position_at_end(head)
    last_loop = b.phi(I64)
    last_loop.add_incoming(I64(0), entry)
    emit.wait(pool, LOOP, ("!=", last_loop), b.add(thread_offset, I64(ASLEEP)), b.add(thread_offset, I64(OWN_LOCK)))
    loop = emit.load(pool, LOOP)
    b.call(b.module.globals["take_turns"], [pool, thread, loop])
    last_loop.add_incoming(loop, b.block)
    b.branch(head)
