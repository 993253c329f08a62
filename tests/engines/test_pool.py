"""The thread pool's LLVM code, in every interleaving of its threads (see interleavings.py)."""

import pytest
from engines.interleavings import Machine, State, parse

from chainrule.engines.compiled.compiler import pool_code

LOCKS = 10_000  # locks are words of their own: 0 if free, 1 if held
FIRST_TABLE = 500


def machine(threads: int, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine whose waiting threads sleep at once: spinning longer only repeats a read."""
    monkeypatch.setattr(pool_code, "MAX_YIELDS", 0)
    functions = parse(pool_code.emit_pool("none"))
    own = [pool_code.THREADS + pool_code.WORDS_PER_THREAD * thread for thread in range(threads)]
    constants = {pool_code.THREAD_LIMIT: threads, pool_code.SPINS: 0, pool_code.LOCK: LOCKS}
    constants |= {words + pool_code.OWN_LOCK: LOCKS + thread for thread, words in enumerate(own)}
    shared = ["LOOP", "DONE", "WAITING", "BUSY", "STARTED", "FUNCTION", "TABLE", "COUNT", "RANGES"]
    words = [getattr(pool_code, name) for name in shared]
    words += [word for words in own for word in (words, words + pool_code.ASLEEP)]
    return Machine(functions, [*words, *(LOCKS + thread for thread in range(threads))], constants)


@pytest.mark.parametrize(
    ("workers", "callers", "counts"),
    [
        (1, 1, (2,)),
        (1, 1, (3, 2)),
        (1, 1, (2, 2, 2)),
        (2, 1, (2,)),
        (2, 1, (3,)),
        (1, 2, (2,)),
    ],
)
def test_every_interleaving_runs_every_iteration_once(
    workers: int, callers: int, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers run loops of so many iterations, one after another. A loop ends when all of its iterations have run.

    No state is without a successor but those in which all callers have finished, and the workers sleep.
    """
    pool = machine(workers + 1, monkeypatch)
    tables = [[FIRST_TABLE + 10 * caller + loop for loop in range(len(counts))] for caller in range(callers)]

    def next_loop(caller: int, loop: int) -> tuple[object, ...]:
        return pool.start("share_out", 0, tables[caller][loop], tables[caller][loop], counts[loop], workers + 1)

    memory = [0] * len(pool.place)
    for lock in range(workers + 1):
        memory[pool.place[LOCKS + lock]] = 1
    threads = [next_loop(caller, 0) for caller in range(callers)] + [pool.start("work", 0)] * workers
    first = (State(tuple(threads), tuple(memory), ()), (0,) * callers)
    pending, seen, ends = [first], {first}, 0
    while pending:
        state, loops = pending.pop()
        following = list(pool.next_states(state))
        if not following:
            assert loops == (len(counts),) * callers, "deadlock: a caller waits for ever"
            ends += 1
        for after in following:
            now = list(loops)
            for caller in range(callers):
                if not after.threads[caller] and now[caller] < len(counts):
                    table, count = tables[caller][now[caller]], counts[now[caller]]
                    runs = [run for run in after.runs if run[1] == table]
                    assert runs == [(table, table, number) for number in range(count)]
                    now[caller] += 1
                    if now[caller] < len(counts):
                        restarted = list(after.threads)
                        restarted[caller] = next_loop(caller, now[caller])
                        after = after._replace(threads=tuple(restarted), runs=())
            entry = (after, tuple(now))
            if entry not in seen:
                seen.add(entry)
                pending.append(entry)
    print(workers, callers, counts, len(seen))
    assert ends > 0
