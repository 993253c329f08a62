"""Options change what they declare, and nothing that comes before it in a training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws
from training.option_cases import TASKS, Case
from training.option_draws import OPTIONS
from training.test_option_pairs import chosen, refusals, trained

from chainrule.training import declarations
from chainrule.training.options import PARTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"
NAMES = {"validation_split": "validation", "thresholds": "set_thresholds", "evaluated_loss": "evaluate(loss=)"}
HELD_OUT = ("validation_split", "validation_data")  # they exclude each other
NAMES |= {"evaluated_weight": "evaluate(sample_weight=)"}
NAMES |= {"metrics": "evaluate(metrics=)"}
CHANGED = {name: part for part, names in reversed(declarations.changed().items()) for name in names}  # the first part
RESULT = ("end", "best epoch")  # they decide how many steps there are, and which weights remain
# What a test can see of a training → the last part that changes it
SEEN = {"steps": "update", "weights": "evaluated weights", "evaluation": "evaluated outputs"}


def test_the_table_of_the_documentation_is_that_of_the_declarations() -> None:
    assert declarations.table() in DOCUMENT.read_text(encoding="utf-8")


def seen(task: str, names: list[str], seed: int) -> dict[str, Any] | None:
    """Return what a training shows; None if its options are refused."""
    case = Case(task, np.random.default_rng(seed))
    case.fit["validation_data"] = case.held_x, case.held_y
    for name in names:
        case.random = np.random.default_rng([seed, len(name)])
        OPTIONS[name](case)
    if refusals(case, names):
        return None
    case.random = np.random.default_rng(seed)
    model = case.model()
    _, history, evaluation = trained(case, model)
    weights = np.concatenate([model.parameters, model.statistics])
    return {"steps": list(history.losses), "weights": weights, "evaluation": [evaluation.loss, evaluation.measured]}


@pytest.mark.parametrize(
    "name", [name for name in OPTIONS if NAMES.get(name, name) in CHANGED and name not in HELD_OUT]
)
def test_options_change_nothing_before_what_they_declare(name: str) -> None:
    parts = [*PARTS]
    first = parts.index(CHANGED[NAMES.get(name, name)])

    @settings(max_examples=draws(2), deadline=None)
    @given(st.sampled_from([*TASKS]), st.integers(0, 2**32 - 1))
    def draw(task: str, seed: int) -> None:
        needed = [other for other in chosen((name,)) if other not in (name, "validation_data")]
        before, after = seen(task, needed, seed), seen(task, [*needed, name], seed)
        if before is None or after is None:
            return
        for what, part in SEEN.items():
            if parts.index(part) < first:
                common = min(len(before[what]), len(after[what]))  # another end has more or fewer steps
                if what == "steps" or parts[first] not in RESULT:
                    assert_close(after[what][:common], before[what][:common], roundings=1e5, dtype=np.float64)

    draw()
