"""The JAX engine computes what the reference defines, whole steps included; skipped where JAX is not installed.

Every comparison compiles a program: examples are few. CHAINRULE_DRAWS draws more of each operation, and
`make networks ARGS="--engine jax"` more networks.
"""

import ast
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES
from engines.processes import python
from engines.test_operations import DTYPES, assert_results, call, sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from networks.comparing import apart
from numpy.testing import assert_array_equal
from selection import draws
from training.networks import NETWORKS, build
from training.networks import batch as batch_of

import chainrule as cr
from chainrule._io.extras import install_command
from chainrule.core.plan import Operation
from chainrule.data.augmentation import Augmentation
from chainrule.data.normalization import Normalization
from chainrule.engines import loader
from chainrule.engines.protocol import StepLimits
from chainrule.network.network import Network
from chainrule.operations import reference
from chainrule.training.examples import Examples
from chainrule.training.loop import train
from chainrule.training.optimizers import SGD, Adam, Nesterov, RMSProp
from chainrule.training.schedules import OneCycle
from chainrule.training.steps.gradients import Outcome
from chainrule.training.steps.stepper import Stepper
from chainrule.training.trainer import Callback, Trainer

jax: Any = pytest.importorskip("jax", reason="JAX is not installed (make jax)")

from chainrule.engines.jax import operations  # noqa: E402
from chainrule.engines.jax.arrays import jnp  # noqa: E402
from chainrule.engines.jax.engine import XlaProgram  # noqa: E402

EXAMPLES = draws(2)
OPTIMIZER = Adam(0.01, epsilon=1e-2)  # before a normalization, gradients of biases are rounding errors
SOURCE = Path(operations.__file__).parent


def test_every_operation_is_known() -> None:
    assert set(operations.OPERATIONS) == set(reference.__all__)


@pytest.mark.parametrize("name", reference.__all__)
@settings(sweep, max_examples=EXAMPLES)
@given(st.data())
def test_equals_the_reference(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    case = data.draw(CASES[name]).astype(dtype)
    actual = loader.find("jax").run(name, case.arrays, case.attributes)
    assert_results(actual, call(reference, name, case))


def test_nothing_differentiates() -> None:
    """Look for the names of automatic differentiation in JAX among all names in the code."""
    forbidden = {"grad", "value_and_grad", "vjp", "jvp", "linearize", "jacfwd", "jacrev", "jacobian", "hessian"}
    forbidden |= {"custom_vjp", "custom_jvp", "linear_transpose", "linear_call", "ad", "vjp3", "checkpoint", "remat"}
    files = list(SOURCE.glob("*.py"))
    assert len(files) > 10
    for file in files:
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        names = {
            getattr(each, "id", None) or getattr(each, "attr", None) or getattr(each, "name", None) for each in tree
        }
        assert not names & forbidden, file.name


# ---------------------------------------------------------------------- networks


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_all_layers_equal_the_reference(name: str) -> None:
    x, t = batch_of(name, 5)
    actual: dict[str, list[np.ndarray]] = {}
    for engine in ("reference", "jax"):
        network = build(name, engine)
        walk = network.compile(network.plan(NETWORKS[name][2]))
        actual[engine] = [array.copy() for array in walk.gradients(x, t, seed=11, step=3)]
        walk.commit_statistics()
        actual[engine].append(network.statistics)
    for ours, expected in zip(actual["jax"], actual["reference"], strict=True):
        assert apart(ours, expected) < 1e-12


def small(engine: str | None = "jax", dtype: str = "float32", **options: Any) -> cr.Sequential:
    layers = [cr.Conv2D(3, 3), cr.BatchNorm2D(), cr.ReLU(), cr.Dropout(0.3), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    return cr.Sequential(layers, (1, 6, 5), engine=engine, dtype=dtype, **options)


def batch(count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    return draw.normal(size=(count, 1, 6, 5)), draw.integers(0, 2, count)


@pytest.mark.parametrize("wrong", ["loss", "statistics"])
def test_a_step_that_is_not_finite_changes_nothing(wrong: str) -> None:
    model = small()
    x, y = batch()
    stepper = Stepper(model, Adam(0.01), "categorical_cross_entropy")
    x, t = x.astype(np.float32), np.eye(2, dtype=np.float32)[y]
    x[0, 0, 0, 0] = np.nan if wrong == "loss" else 1e30
    before = [each.copy() for each in (model.parameters, model.statistics, *stepper.moments)]
    with pytest.raises(cr.errors.NotFiniteError, match=r"step 1: .* the parameters were not changed"):
        stepper.step(x, t, step=1, rate=0.01)
    for each, array in zip(before, (model.parameters, model.statistics, *stepper.moments), strict=True):
        assert_array_equal(array, each)


# ---------------------------------------------------------------------- trainings


class Watching(Callback):
    """Looks at each step, so that a training takes them one by one."""

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        pass


def trained(number: int, engine: str, callbacks: list[Callback], **options: Any) -> dict[str, np.ndarray]:
    """Train a network by a drawn recipe, and return what differs from step to step."""
    draw = np.random.default_rng(number)
    count = int(draw.integers(12, 40))
    data = Examples.of(draw.normal(size=(count, 2, 6, 5)), draw.integers(0, 3, count), (3,))
    recipe = cr.Recipe(
        epochs=3,
        batch_size=int(draw.integers(1, 9)),
        optimizer=(SGD(0.05), Adam(0.01), Nesterov(0.02), RMSProp(0.001))[number % 4],
        schedule=OneCycle() if draw.integers(2) else None,
        clip_norm=0.3 if draw.integers(2) else None,
        class_weight={0: 2.0} if draw.integers(2) else None,
        label_smoothing=0.1 * int(draw.integers(2)),
        seed=number,
        **options,
    )
    layers = [cr.Conv2D(3, 3, bias=False), cr.BatchNorm2D(), cr.ReLU(), cr.Dropout(0.2), cr.Flatten(), cr.Dense(3)]
    network = Network([*layers, cr.Softmax()], (2, 6, 5), engine=engine, dtype="float64", seed=1)
    trainer = Trainer(network, recipe, data, Normalization("standardize"))
    train(trainer, callbacks)
    return {
        "parameters": network.parameters,
        "statistics": network.statistics,
        **{f"moment {place}": moment for place, moment in enumerate(trainer.moments)},
        "losses": np.array(trainer.history.losses),
    }


def assert_same_training(number: int) -> None:
    augmentation = Augmentation(shift=1) if number % 4 == 3 else None
    expected = trained(number, "numpy", [], augmentation=augmentation)
    actual = trained(number, "jax", [Watching()] if number == 4 else [], augmentation=augmentation)
    away = {name: apart(actual[name], expected[name]) for name in expected}
    assert {name: value for name, value in away.items() if value > 1e-10} == {}


@pytest.mark.parametrize("number", range(5))
def test_a_training_is_that_of_the_numpy_engine(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare whole steps taken one by one and at once, on samples that the device holds and on those it is given."""
    monkeypatch.setattr(XlaProgram, "gradients", None)
    monkeypatch.setattr(XlaProgram, "step_limits", StepLimits(number % 3 * 2 + 1, 1 << 12, None))
    monkeypatch.setattr(XlaProgram, "max_held_bytes", (0, 1 << 20)[number // 2 % 2])
    assert_same_training(number)


def test_samples_are_held_during_a_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    monkeypatch.setattr(Watching, "stepped", lambda *_: held.append(sum(each.nbytes for each in jax.live_arrays())))
    x, y = batch(200)
    gc.collect()
    before = sum(each.nbytes for each in jax.live_arrays())
    model = small()
    for _ in range(2):
        model.fit(x, y, batch_size=100, callbacks=[Watching()], progress=False)
    assert min(held) >= before + x.size * 4
    assert sum(each.nbytes for each in jax.live_arrays()) < before + x.size * 4


def test_a_device_without_room_for_all_samples_is_given_those_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(jnp, "concatenate", full)
    assert_same_training(1)


def test_a_training_ends_before_the_step_that_is_not_finite() -> None:
    x, y = batch(9)
    x[cr.data.order(9, 0, 0)[5]] = np.inf
    trainer = Trainer(small(), cr.Recipe(batch_size=1), Examples.of(x, y, (2,)), Normalization("none"))
    with pytest.raises(cr.errors.NotFiniteError, match="step 6: the input is not finite"):
        train(trainer, [])
    assert len(trainer.history) == 5
    assert np.isfinite(trainer.network.parameters).all()


def test_the_settings_of_the_user_stay() -> None:
    before = jax.numpy.ones(3, "float64").dtype if jax.config.jax_enable_x64 else None
    assert small(dtype="float64").predict(batch()[0]).dtype == np.float64
    assert before is None
    assert jax.numpy.arange(3.0).dtype == np.float32
    assert jax.config.jax_default_matmul_precision is None


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(cr.errors.OptionError, match="unknown operation of the jax engine 'fold'; known: "):
        operations.check((Operation("relu", (), ()), Operation("fold", (), ())))
    with pytest.raises(cr.errors.OptionError, match="'fold'"):
        loader.find("jax").run("fold", (), {})


# ---------------------------------------------------------------------- processes


def test_without_jax_it_is_refused_and_where_it_is_the_default_numpy_stands_in() -> None:
    code = "import sys; sys.modules['jax'] = None; from chainrule.engines import loader; print(loader.find({}).name)"
    assert install_command("jax") in python("-c", code.format("'jax'"), code=1).stderr
    done = python("-c", code.format(""), CHAINRULE_ENGINE="jax")
    assert done.stdout == "numpy\n"
    assert done.stderr.startswith("chainrule: the jax engine cannot be used here")


def test_devices_share_a_batch() -> None:
    """Compare trainings on as many of four devices as divide a batch among them with NumPy's."""
    flags = "--xla_force_host_platform_device_count=4"
    done = python(__file__, XLA_FLAGS=flags, JAX_PLATFORMS="cpu", CHAINRULE_THREADS=4)
    assert done.stdout == "[2, 3, 4]\n"


if __name__ == "__main__":
    counts, sharding = set[int](), XlaProgram._sharding

    def noted(devices: int, *axes: str | None) -> Any:
        counts.add(devices)
        return sharding(devices, *axes)

    XlaProgram._sharding = staticmethod(noted)
    for number in range(6):
        assert_same_training(number)
    print(sorted(counts))
