"""Code of the pool of worker threads (`threads`), which programs enter when they share a loop.

A thread begins a loop with a range of turns of its own, whose data may be in its cache, and then takes those that
others have not begun: a thread that is not running leaves its turns to the rest. How a turn is claimed: the word of a
range holds the number of the loop and, in its last `LEFT` bits, how many turns are left. A thread that counts it down
has a turn. One that is late finds none left of the loop it knows, whatever has been posted meanwhile; and what
describes a loop changes only when all its turns are done.

Words that threads write for one another are read and written in one order, the same for all threads (`seq_cst`). What
comes before the number of a loop is written at leisure (`monotonic`): each write in that order would wait until no
other processor has the line.

Tried with llvmlite 0.50, whose `ir` is used. Besides, CPython's `PyThread_acquire_lock`
and `PyThread_release_lock`, which need no interpreter.
"""

import contextlib
import functools
from collections.abc import Generator
from typing import Any

from chainrule.engines.compiled.compiler import buffers
from chainrule.engines.compiled.compiler.kernel_values import HALF, WHOLE, ir, pointer_to
from chainrule.engines.compiled.compiler.processor import MXCSR_PROCESSORS, flush_denormals

LINE = 16  # words from one that threads write to the next: two lines of a cache
# Words of the pool: the number of the loop, its turns that are done, whether the thread that posted it sleeps, whether
# there is one, threads that have begun to work, and what rarely changes.
LOOP, DONE, WAITING, BUSY, BEGUN, LIMIT = (LINE * place for place in range(6))
TURN, TABLE, COUNT, RANGES = range(LOOP + 1, LOOP + 5)  # what describes a loop comes with its number
SPINS, LOCK = LIMIT + 1, LIMIT + 2
THREADS = LIMIT + LINE  # the words of each thread begin here: its range of turns, whether it sleeps, and its lock
ASLEEP, OWN_LOCK, OF_THREAD = LINE, LINE + 1, 2 * LINE
LEFT = 20
OUTSIDE = ("PyThread_acquire_lock", "PyThread_release_lock")
YIELD = "chainrule_yield"  # the function with which a thread yields its processor
YIELDS = 10_000  # how often a waiting thread does, some milliseconds, before it sleeps
PAUSES = dict.fromkeys(MXCSR_PROCESSORS, "llvm.x86.sse2.pause")  # what a waiting thread tells its processor


def emit_pool(processor: str) -> str:
    """Return the code of `share_out`, by which a program has turns of a loop done, of `work`, which worker threads run
    for ever, and of `spin`, which waits.
    """
    module = ir.Module("pool")
    nothing, address = ir.VoidType(), pointer_to(ir.IntType(8))
    ir.Function(module, ir.FunctionType(HALF, [address, HALF]), "PyThread_acquire_lock")
    ir.Function(module, ir.FunctionType(nothing, [address]), "PyThread_release_lock")
    ir.Function(module, ir.FunctionType(HALF, []), YIELD)
    ir.Function(module, ir.FunctionType(WHOLE, [WHOLE]), buffers.OWN)
    if processor in PAUSES:
        ir.Function(module, ir.FunctionType(nothing, []), PAUSES[processor])
    work = functools.partial(_work, processor=processor)
    emitters = (("spin", 1, _spin), ("take_turns", 3, _take_turns), ("share_out", 5, _share_out), ("work", 1, work))
    for name, arguments, emit in emitters:
        function = ir.Function(module, ir.FunctionType(nothing, [WHOLE] * arguments), name)
        emit(_Emitter(function, PAUSES.get(processor, "")), *function.args)
    return str(module)


class _Emitter:
    """Emitter of the code of one function. Places in the pool are addresses, or words after one."""

    def __init__(self, function: Any, pause: str) -> None:
        self.builder = ir.IRBuilder(function.append_basic_block())
        self._function, self._pause = function, pause

    def at(self, pool: Any, word: Any) -> Any:
        """Return a pointer to a word of the pool."""
        word = WHOLE(word) if isinstance(word, int) else word
        address = self.builder.add(pool, self.builder.mul(word, WHOLE(8)))
        return self.builder.inttoptr(address, pointer_to(WHOLE))

    def load(self, pool: Any, word: Any) -> Any:
        """Return a word."""
        return self.builder.load_atomic(self.at(pool, word), "seq_cst", 8, typ=WHOLE)

    def store(self, pool: Any, word: Any, value: Any, order: str = "seq_cst") -> None:
        """Write a word."""
        self.builder.store_atomic(value, self.at(pool, word), order, 8)

    def change(self, operation: str, pool: Any, word: Any, value: int) -> Any:
        """Change a word (xchg: write, add), and return what it was."""
        return self.builder.atomic_rmw(operation, self.at(pool, word), WHOLE(value), "seq_cst")

    def is_(self, comparison: str, one: Any, other: Any) -> Any:
        """Return how two numbers compare."""
        return self.builder.icmp_signed(comparison, one, other)

    def lock(self, function: str, pool: Any, word: Any, *arguments: Any) -> None:
        """Call a function for a lock of the pool."""
        lock = self.builder.inttoptr(self.load(pool, word), pointer_to(ir.IntType(8)))
        self.builder.call(self._function.module.globals[function], [lock, *arguments])

    def wake(self, pool: Any, flag: Any, lock: Any) -> None:
        """Wake the thread that sleeps, if the flag says that one does."""
        with self.builder.if_then(self.is_("!=", self.load(pool, flag), WHOLE(0))):
            was_set = self.is_("!=", self.change("xchg", pool, flag, 0), WHOLE(0))
            with self.builder.if_then(was_set):
                self.lock("PyThread_release_lock", pool, lock)

    def wait(self, pool: Any, word: Any, reached: tuple[str, Any], flag: Any, lock: Any) -> None:
        """Wait until a word compares so with a value: awake, then letting others run, then asleep until `wake`."""
        again, asleep, end = (self._function.append_basic_block() for _ in range(3))
        b = self.builder
        spins = self.load(pool, SPINS)
        entry = b.block
        b.branch(again)
        b.position_at_end(again)
        count = b.phi(WHOLE)
        count.add_incoming(WHOLE(0), entry)
        with b.if_then(self.is_(reached[0], self.load(pool, word), reached[1])):
            b.branch(end)
        with b.if_else(self.is_("<", count, spins)) as (awake, generous):
            with awake:
                self.pause()
            with generous:
                b.call(self._function.module.globals[YIELD], [])
        more = b.add(count, WHOLE(1))
        count.add_incoming(more, b.block)
        b.cbranch(self.is_("<", more, b.add(spins, WHOLE(YIELDS))), again, asleep)
        b.position_at_end(asleep)
        self.change("xchg", pool, flag, 1)
        # Who changes the word reads the flag afterwards: either it is seen here, or the flag is seen there.
        with b.if_then(self.is_(reached[0], self.load(pool, word), reached[1])):
            unseen = self.is_("!=", self.change("xchg", pool, flag, 0), WHOLE(0))
            with b.if_then(unseen):
                b.branch(end)
        self.lock("PyThread_acquire_lock", pool, lock, HALF(1))
        count.add_incoming(WHOLE(0), b.block)
        b.branch(again)
        b.position_at_end(end)

    def pause(self) -> None:
        """Let the processor rest a moment."""
        if self._pause:
            self.builder.call(self._function.module.globals[self._pause], [])

    @contextlib.contextmanager
    def loop(self, begin: Any, end: Any) -> Generator[Any]:
        """Emit what is within for every number from `begin` to `end - 1`."""
        head, body, after = (self._function.append_basic_block() for _ in range(3))
        b, entry = self.builder, self.builder.block
        b.branch(head)
        b.position_at_end(head)
        number = b.phi(WHOLE)
        number.add_incoming(begin, entry)
        b.cbranch(self.is_("<", number, end), body, after)
        b.position_at_end(body)
        yield number
        number.add_incoming(b.add(number, WHOLE(1)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def turn(self, function: Any, table: Any, number: Any, own: Any) -> None:
        """Do a turn of a loop, as the thread with the number `own`."""
        kind = ir.FunctionType(ir.VoidType(), [WHOLE] * 3)
        self.builder.call(self.builder.inttoptr(function, pointer_to(kind)), [number, table, own])


def _spin(emit: _Emitter, times: Any) -> None:
    """Wait this many times."""
    with emit.loop(WHOLE(0), times):
        emit.pause()
    emit.builder.ret_void()


def _edge(emit: _Emitter, number: Any, count: Any, ranges: Any) -> Any:
    """Return the first turn of a range."""
    return emit.builder.sdiv(emit.builder.mul(number, count), ranges)


def _of_thread(emit: _Emitter, number: Any) -> Any:
    """Return the first word of a thread."""
    return emit.builder.add(emit.builder.mul(number, WHOLE(OF_THREAD)), WHOLE(THREADS))


def _take_turns(emit: _Emitter, pool: Any, own: Any, loop: Any) -> None:
    """Do turns of a loop, by its number, as the thread with the number `own`, until none is left."""
    b = emit.builder
    turn, table, count, ranges = (emit.load(pool, word) for word in (TURN, TABLE, COUNT, RANGES))
    with b.if_then(emit.is_(">=", own, ranges)):
        b.ret_void()
    with emit.loop(WHOLE(0), ranges) as step:
        shifted = b.add(own, step)
        number = b.select(emit.is_("<", shifted, ranges), shifted, b.sub(shifted, ranges))
        end, place = _edge(emit, b.add(number, WHOLE(1)), count, ranges), _of_thread(emit, number)
        claim, done = (b.append_basic_block() for _ in range(2))
        b.branch(claim)
        b.position_at_end(claim)
        word = emit.load(pool, place)
        left = b.and_(word, WHOLE((1 << LEFT) - 1))
        other = emit.is_("!=", b.lshr(word, WHOLE(LEFT)), loop)
        with b.if_then(b.or_(other, emit.is_("==", left, WHOLE(0)))):
            b.branch(done)
        changed = b.cmpxchg(emit.at(pool, place), word, b.sub(word, WHOLE(1)), "seq_cst", "seq_cst")
        with b.if_then(b.extract_value(changed, 1)):
            emit.turn(turn, table, b.sub(end, left), own)
            with b.if_then(emit.is_("==", b.add(emit.change("add", pool, DONE, 1), WHOLE(1)), count)):
                emit.wake(pool, WAITING, LOCK)
        b.branch(claim)
        b.position_at_end(done)
    b.ret_void()


def _share_out(emit: _Emitter, pool: Any, turn: Any, table: Any, count: Any, most: Any) -> None:
    """Have `count` turns of a loop done by at most so many threads, or here where there is one, or where they are
    busy.
    """
    b = emit.builder
    ranges = emit.load(pool, LIMIT)
    for other in (count, most):
        ranges = b.select(emit.is_("<", other, ranges), other, ranges)
    alone, shared = (b.append_basic_block() for _ in range(2))
    with b.if_then(emit.is_("<", ranges, WHOLE(2))):
        b.branch(alone)
    b.cbranch(emit.is_("!=", emit.change("xchg", pool, BUSY, 1), WHOLE(0)), alone, shared)
    b.position_at_end(alone)
    with emit.loop(WHOLE(0), count) as number:
        emit.turn(turn, table, number, WHOLE(0))
    b.ret_void()
    b.position_at_end(shared)
    for word, value in ((TURN, turn), (TABLE, table), (COUNT, count), (RANGES, ranges), (DONE, WHOLE(0))):
        emit.store(pool, word, value, "monotonic")
    loop = b.add(emit.load(pool, LOOP), WHOLE(1))
    with emit.loop(WHOLE(0), ranges) as number:
        last, first = (_edge(emit, edge, count, ranges) for edge in (b.add(number, WHOLE(1)), number))
        turns = b.or_(b.shl(loop, WHOLE(LEFT)), b.sub(last, first))
        emit.store(pool, _of_thread(emit, number), turns, "monotonic")
    emit.store(pool, LOOP, loop)
    with emit.loop(WHOLE(1), ranges) as number:
        place = _of_thread(emit, number)
        emit.wake(pool, b.add(place, WHOLE(ASLEEP)), b.add(place, WHOLE(OWN_LOCK)))
    b.call(b.module.globals["take_turns"], [pool, WHOLE(0), loop])
    emit.wait(pool, DONE, ("==", count), WAITING, LOCK)
    emit.store(pool, BUSY, WHOLE(0), "release")
    b.ret_void()


def _work(emit: _Emitter, pool: Any, processor: str) -> None:
    """Do turns of one loop after the other, for ever, as the next thread that begins."""
    b = emit.builder
    flush_denormals(b, processor)
    words = ir.ArrayType(WHOLE, buffers.WORDS)
    stack = b.alloca(words)
    b.store(ir.Constant(words, None), stack)
    b.call(b.module.globals[buffers.OWN], [b.ptrtoint(stack, WHOLE)])
    own = b.add(emit.change("add", pool, BEGUN, 1), WHOLE(1))
    place = _of_thread(emit, own)
    entry, again = b.block, b.append_basic_block()
    b.branch(again)
    b.position_at_end(again)
    seen = b.phi(WHOLE)
    seen.add_incoming(WHOLE(0), entry)
    emit.wait(pool, LOOP, ("!=", seen), b.add(place, WHOLE(ASLEEP)), b.add(place, WHOLE(OWN_LOCK)))
    loop = emit.load(pool, LOOP)
    b.call(b.module.globals["take_turns"], [pool, own, loop])
    seen.add_incoming(loop, b.block)
    b.branch(again)
