"""The thread pool's LLVM code, in every interleaving of its threads (see interleavings.py)."""

import re
from collections.abc import Sequence

import pytest
from engines.interleavings import Machine, State, parse

from chainrule.engines.compiled.compiler import pool_code

LOCKS = 10_000  # offset of the locks, which are words of their own: 0 if free, 1 if held
SHARED_WORDS = ("LOOP", "DONE", "WAITING", "BUSY", "STARTED", "FUNCTION", "TABLE", "COUNT", "RANGES")
# Faults: a pattern in the code and its replacement.
FAULTS = {
    "claims iterations of later loops": (r"or i1 (%\S+), (%\S+)", r"or i1 \2, \2"),
    "sleeps without checking the word again": (
        r'(xchg i64\* \S+, i64 1 seq_cst(?:\n.*){5}\n  br i1 \S+, label %")[^"]+(", label %")([^"]+)',
        r"\1\3\2\3",
    ),
    "counts an iteration twice": (r"(atomicrmw add i64\* \S+, i64) 1", r"\1 2"),
    "does not wake sleeping threads": (r"(icmp ne i64 %\S+,) 0", r"\1 1"),
}


def pool_machine(threads: int, monkeypatch: pytest.MonkeyPatch, fault: str = "") -> Machine:
    """Return a machine whose waiting threads sleep immediately, since spinning longer only repeats a read."""
    monkeypatch.setattr(pool_code, "MAX_YIELDS", 0)
    code = pool_code.emit_pool("none")
    if fault:
        correct, (pattern, replacement) = code, FAULTS[fault]
        code = re.sub(pattern, replacement, code)
        assert code != correct
    thread_words = [pool_code.THREADS + pool_code.WORDS_PER_THREAD * thread for thread in range(threads)]
    constants = {pool_code.THREAD_LIMIT: threads, pool_code.SPINS: 0, pool_code.LOCK: LOCKS}
    constants |= {word + pool_code.OWN_LOCK: LOCKS + thread for thread, word in enumerate(thread_words)}
    words = [getattr(pool_code, name) for name in SHARED_WORDS]
    words += [word + offset for word in thread_words for offset in (0, pool_code.ASLEEP)]
    return Machine(parse(code), [*words, *(LOCKS + thread for thread in range(threads))], constants)


def explore(pool: Machine, workers: int, loops: Sequence[Sequence[int]]) -> int:
    """Visit every state of the pool, and return the number of states.

    workers  number of worker threads
    loops    for each calling thread, the numbers of iterations of the loops that it runs, one after another

    When a loop returns, each of its iterations has run exactly once. Every state without a successor is one in which
    all calling threads have finished.
    """

    def start(caller: int, loop: int):
        table = 100 * caller + loop + 1
        return pool.start("share_out", 0, table, table, loops[caller][loop], workers + 1)

    locks = {pool.place[LOCKS + thread] for thread in range(workers + 1)}
    memory = tuple(int(word in locks) for word in range(len(pool.place)))
    threads = [start(caller, 0) for caller in range(len(loops))] + [pool.start("work", 0)] * workers
    first = (State(tuple(threads), memory, ()), (0,) * len(loops))
    pending, seen = [first], {first}
    while pending:
        state, finished = pending.pop()
        successors = list(pool.next_states(state))
        if not successors:
            assert finished == tuple(map(len, loops)), "deadlock: a caller waits forever"
        for successor in successors:
            entry = successor, finished
            for caller, loop in enumerate(finished):
                if not successor.threads[caller] and loop < len(loops[caller]):
                    table = 100 * caller + loop + 1
                    runs = [run for run in successor.runs if run[1] == table]
                    assert runs == [(table, table, number) for number in range(loops[caller][loop])]
                    entry = _finish_loop(successor, finished, caller, table)
                    if loop + 1 < len(loops[caller]):
                        threads = list(entry[0].threads)
                        threads[caller] = start(caller, loop + 1)
                        entry = entry[0]._replace(threads=tuple(threads)), entry[1]
            if entry not in seen:
                seen.add(entry)
                pending.append(entry)
    return len(seen)


def _finish_loop(state: State, finished: tuple[int, ...], caller: int, table: int) -> tuple[State, tuple[int, ...]]:
    """Return the state without the loop's runs, and the number of finished loops of each caller."""
    counts = tuple(count + (number == caller) for number, count in enumerate(finished))
    return state._replace(runs=tuple(run for run in state.runs if run[1] != table)), counts


@pytest.mark.parametrize(
    ("workers", "loops"),
    [
        *((1, [(2,)]), (1, [(3, 2)]), (1, [(2, 2, 2)]), (2, [(2,)]), (1, [(2,), (2,)])),
        pytest.param(2, [(3,)], marks=pytest.mark.thorough),
    ],
)
def test_every_interleaving_runs_each_iteration_once(
    workers: int, loops: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explore(pool_machine(workers + 1, monkeypatch), workers, loops) > 500


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        explore(pool_machine(2, monkeypatch, fault), 1, [(2, 3, 2)])
