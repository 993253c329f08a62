"""Random draws by name: equal for equal names, different otherwise; correct code passes with any of them."""

from check.submissions import filled, relu

from chainrule.check import homework
from chainrule.check.assignments import Assignment, draw_task

NAMES = [f"student {number}" for number in range(40)]
CONVOLUTION = Assignment.of("Conv2D(4, (3, 2))", None)


def test_equal_names_draw_the_same() -> None:
    first = draw_task(CONVOLUTION, 3, "Zoë  Müller")
    again = draw_task(CONVOLUTION, 3, "zoe\u0308 mu\u0308ller ")
    assert (first.seed, first.record) == (again.seed, again.record)
    assert first.seed != draw_task(CONVOLUTION, 4, "Zoë  Müller").seed
    assert first.record == f"zoë müller: seed {first.seed}"


def test_the_draw_is_recorded(tmp_path) -> None:
    filled(tmp_path, {"ada.py": relu(), "bela.py": relu(), "Bela .py": relu()})
    rows = {row.submission: row for row in homework.grade(tmp_path, "ReLU()", seed=5, seconds=120, by_name=True)}
    assert rows["Bela .py"].ok
    assert rows["bela.py"].draw == rows["Bela .py"].draw != rows["ada.py"].draw
    (single,) = homework.grade(tmp_path / "ada.py", "ReLU()", seed=5, by_name=True, single=True, student="Bela")
    assert single.draw == rows["bela.py"].draw
