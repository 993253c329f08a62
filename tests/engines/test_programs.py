"""Compiled programs against the interpreter on the reference, and the structure of a program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws
from training.networks import NETWORKS

from chainrule import layers
from chainrule.engines import loader
from chainrule.engines.native import engine as compiled
from chainrule.engines.native import programs
from chainrule.engines.options import processors, thread_count
from chainrule.errors import OptionError, printable
from chainrule.network.network import Network

LARGE_IMAGES = (  # so that blocks are small, but not those of dense layers: arrays pass from one to the other
    [
        *(layers.Conv2D(16, 3), layers.MaxPool2D(2), layers.Conv2D(12, 3), layers.MaxPool2D(2), layers.Flatten()),
        *(layers.Dense(40), layers.ReLU(), layers.Dense(33), layers.Tanh(), layers.Dense(10)),
    ],
    (3, 40, 37),
    "softmax_cross_entropy",
)


@settings(max_examples=draws(8), deadline=None)
@given(count=st.one_of(st.just(1), st.integers(48, 150)), threads=st.sampled_from([3, 4, 7]), data=st.data())
def test_threads_share_a_sample_or_a_batch_in_more_parts(count: int, threads: int, data: st.DataObject) -> None:
    """Whichever thread does a share, the result is the same."""
    made, shape, loss = data.draw(st.sampled_from([*NETWORKS.values(), LARGE_IMAGES]))
    actual, expected = (Network(made, shape, dtype="float64", engine=each) for each in ("compiled", "numpy"))
    x = np.random.default_rng(count).standard_normal((count, *shape))
    t = np.eye(actual.output_shape[0])[np.arange(count) % actual.output_shape[0]]
    plan, reference = actual.plan(loss), expected.compile(expected.plan(loss))
    own = programs.Program(plan, actual.layout, actual, threads)
    gradient = reference.gradients(x, t, seed=5, step=2)[2]
    first, *others = (own.gradients(x, t, seed=5, step=2)[2].copy() for _ in range(4))
    assert len(own._results["loss"]) == count
    assert count == 1 or own._arguments.chunks > threads
    assert_close(first, gradient, 1000, magnitude=1)
    others += [programs.Program(plan, actual.layout, actual, 1).gradients(x, t, seed=5, step=2)[2]] * (count == 1)
    assert all((each == first).all() for each in others)


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    "error",
    [
        SystemError("initialization of _internal failed\nwithout raising an exception"),
        AttributeError(),
        ValueError("x" * 5000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_numpy_engine_stands_in_where_the_compiled_engine_cannot_be_used(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def broken() -> None:
        raise error

    loader._load.cache_clear()
    monkeypatch.setattr(compiled, "create", broken)
    try:
        for _ in range(2):
            assert loader.find().name == loader.find("compiled", required=False).name == "numpy"
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert len(said) < 300
        with pytest.raises(OptionError, match="compiled engine cannot be used here") as refused:
            loader.find("compiled")
        assert "\n" not in str(refused.value)
    finally:
        loader._load.cache_clear()


@given(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.from_regex(r"\d{1,400}", fullmatch=True),
    )
)
def test_any_text_as_number_of_threads(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_THREADS", text)
        if not text or (text.isascii() and text.isdigit() and 0 < int(text) <= 1024 and len(text) < 10):
            assert thread_count() == (int(text) if text else processors())
            return
        with pytest.raises(OptionError, match="CHAINRULE_THREADS=") as refused:
            thread_count()
    assert printable(str(refused.value)) == str(refused.value)
    assert len(str(refused.value)) < 300


def test_environment_chooses_engine_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loader._load.cache_clear()
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    assert loader.find().name == "numpy"
    assert thread_count() == 3
    monkeypatch.setenv("CHAINRULE_ENGINE", "cuda")
    loader._load.cache_clear()
    with pytest.raises(OptionError, match="unknown engine 'cuda'; known: compiled, numpy, jax, reference"):
        loader.find()
    loader._load.cache_clear()
