"""NumPy's matrix products use the model's number of threads while it runs, and only then."""

import contextlib
import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import chainrule as cr
from chainrule.engines import options

CONTROLLER = ThreadpoolController()
X = np.random.default_rng(0).random((4, 3))


def now() -> set[int]:
    return {library["num_threads"] for library in CONTROLLER.select(user_api="blas").info()}


class Watching:
    """Records the number of threads of matrix products."""

    def forward(self, x):
        self.seen = now()
        return x

    def backward(self, dy):
        self.seen |= now()
        return dy


@pytest.mark.parametrize("engine", ["numpy", "reference"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_model_runs_on_its_threads_and_leaves_the_others_theirs(engine: str, threads: int) -> None:
    watching = Watching()
    with CONTROLLER.limit(limits=2, user_api="blas"):
        model = cr.Sequential([cr.Dense(3), watching, cr.Softmax()], (3,), engine=engine, threads=threads)
        model.predict(X)
        assert watching.seen == {threads}
        model.fit(X, [0, 1, 2, 0], progress=False)
        assert watching.seen == {threads}
        assert now() == {2}


def test_passes_that_overlap_or_fail_leave_what_was_before_the_first() -> None:
    began, end = threading.Event(), threading.Event()
    before = now()

    def other() -> None:
        with options.limit_blas_threads(3):
            began.set()
            end.wait(10)

    thread = threading.Thread(target=other)
    with contextlib.suppress(ZeroDivisionError), options.limit_blas_threads(1):
        thread.start()
        assert began.wait(10)
        assert now() == {1}  # the first decides
        _ = 1 / 0
    end.set()
    thread.join()
    assert now() == before
