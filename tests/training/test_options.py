"""Options of `fit` and of networks, for every kind of network: runs are resumed, and refusals change nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs.run_driver import Halt
from training.drawn_fits import FORMS, KINDS, OPTIONS, state, trained

import chainrule as cr
from chainrule.errors import ChainruleError

RESUMED = [name for name in OPTIONS if name != "callbacks"]


@pytest.mark.parametrize(("engine", "examples"), [("numpy", 50), ("compiled", 4)])
def test_a_run_stopped_anywhere_is_resumed_to_the_bit(
    engine: str, examples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Refuse to begin again in the folder, and to resume with other weights of the samples."""

    @settings(max_examples=examples, deadline=None)
    @given(*map(st.sampled_from, ([*KINDS], [*FORMS], range(1, 8))), st.sets(st.sampled_from(RESUMED), max_size=6))
    def draw(kind: str, form: str, stop: int, names: set[str]) -> None:
        folder = tmp_path_factory.mktemp("runs") / "run"
        run = {"run": cr.Run(folder, resume=True, plots=False)}
        options = {name: OPTIONS[name] for name in names}
        expected = trained(kind, form, engine, options)
        halted = trained(kind, form, engine, options | run | {"callbacks": Halt(stop)})
        if halted is None:
            assert expected is None or "custom" in kind
            return
        assert trained(kind, form, engine, options | {"run": cr.Run(folder)}) is None
        assert trained(kind, form, engine, options | run) == expected
        if "sample_weight" in names:
            others = {"sample_weight": np.roll(OPTIONS["sample_weight"], 1)}
            assert trained(kind, form, engine, options | run | others) is None

    draw()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("monitor", ["loss", "roc_auc", "accuracy", "mean_absolute_error", "kind_loss", "nonsense"])
def test_a_metric_is_monitored_or_refused_before_training(kind: str, monitor: str) -> None:
    create, x, y = KINDS[kind]
    options = {"validation_data": (x, y), "schedule": "plateau,gamma=0.5,patience=0"}
    history = create(engine="numpy").fit(x, y, progress=False, **options)
    (epoch,) = history.epoch_dicts()
    names = {name.removeprefix("validation_") for name in epoch if name.startswith("validation_")}
    names |= {"accuracy"} if history.measure == "label_accuracy" else set()
    assert (trained(kind, "arrays", "numpy", {**options, "monitor": monitor}) is not None) == (monitor in names)


CONSTRUCTION: dict[str, Any] = {
    "dtype": "float64", "seed": 1, "engine": "reference", "threads": 1, "precise": True, "name": "other",
    "classes": "abc", "normalization": cr.data.Normalization("scale", 0.5), "loss": "half_squared_error",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_a_network_has_an_effect_or_is_refused(kind: str) -> None:
    def described(**options: Any) -> Any:
        try:
            model = KINDS[kind][0](**{"threads": 2, "engine": "numpy", **options})
        except ChainruleError:
            return None
        return [getattr(model, name) for name in CONSTRUCTION if name != "engine"], model.engine.name, state(model)

    for option, value in CONSTRUCTION.items():
        assert described(**{option: value}) != described(), option
