"""Random draws by name: equal for equal names, different otherwise; correct code passes with any of them."""

import numpy as np
import pytest
from check.submissions import filled, relu

from chainrule.check import homework, random_inputs
from chainrule.check.assignments import Assignment, draw_task

NAMES = [f"student {number}" for number in range(40)]
CONVOLUTION = Assignment.of("Conv2D(4, (3, 2))", None)


def test_equal_names_draw_the_same() -> None:
    first = draw_task(CONVOLUTION, 3, "Zoë  Müller")
    again = draw_task(CONVOLUTION, 3, "zoe\u0308 mu\u0308ller ")
    assert (first.seed, first.task.shape, first.record) == (again.seed, again.task.shape, again.record)
    assert first.seed != draw_task(CONVOLUTION, 4, "Zoë  Müller").seed
    assert first.record == f"zoë müller: input {'×'.join(map(str, first.task.shape or ()))}, seed {first.seed}"


def test_other_names_draw_other_values_and_shapes() -> None:
    drawn = [draw_task(CONVOLUTION, 3, name) for name in NAMES]
    assert len({draw.seed for draw in drawn}) == len(NAMES)
    assert len({draw.task.shape for draw in drawn}) > 5
    values = [random_inputs.draw_values((7,), {}, 2, draw.seed)["x"] for draw in drawn]
    assert all(np.abs(draw - values[0]).min() > 0 for draw in values[1:])


@pytest.mark.parametrize("number", range(0, len(random_inputs.LAYERS), 3))
def test_right_code_accepts_every_draw(number: int) -> None:
    """Keep the shapes of the parameters, which a submission may fix, and draw only shapes that the layer accepts."""
    layer, _ = random_inputs.LAYERS[number]
    task = Assignment.of(layer.describe(), None)
    for name in NAMES[:5]:
        intended = draw_task(task, 0, name).task.intended
        assert intended.parameters == task.intended.parameters  # pyright: ignore
        assert all(size >= least for size, least in zip(intended.shape, task.intended.shape, strict=True))  # pyright: ignore


def test_a_shape_that_is_given_stays() -> None:
    task = Assignment.of("Conv2D(4, (3, 2))", (2, 9, 5))
    assert {draw_task(task, 0, name).task.shape for name in NAMES} == {(2, 9, 5)}
    loss = Assignment.of("half-squared-error", None)
    assert draw_task(loss, 0, "ada").task is loss


def test_copied_answers_earn_nothing(tmp_path) -> None:
    """Grade a class in which one answers only the inputs of another: it earns nothing, and the draw is recorded."""
    task = Assignment.of("ReLU()", None)
    shape = draw_task(task, 5, "ada").task.shape
    copied = relu(f"assert x.shape[1:] == {shape}, 'learnt by heart'")
    filled(tmp_path, {"ada.py": copied, "bela.py": copied, "Bela .py": relu()})
    rows = {row.submission: row for row in homework.grade(tmp_path, "ReLU()", seed=5, seconds=120, by_name=True)}
    assert rows["Bela .py"].ok
    assert "learnt by heart" in rows["bela.py"].remark
    assert rows["bela.py"].draw == rows["Bela .py"].draw != rows["ada.py"].draw
    (single,) = homework.grade(tmp_path / "ada.py", "ReLU()", seed=5, by_name=True, single=True, learner_layer="Bela")
    assert single.draw == rows["bela.py"].draw
