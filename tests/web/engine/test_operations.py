"""Every operation of the page's engine agrees with the reference, on random shapes and options."""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import HealthCheck, given, settings
from numerical import assert_close
from selection import draws
from web.bridge import call
from web.pages import Page

from chainrule.operations import reference
from chainrule.operations.javascript import formula_functions, module
from chainrule.web.document import PAGE

EXAMPLES = draws(15)
TOLERANCE = 1e-12  # relative to the largest entry of the result, or to 1 if that is larger

collecting = settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=[*HealthCheck])


def drawn(name: str) -> list[Case]:
    cases: list[Case] = []

    @collecting
    @given(CASES[name])
    def collect(case: Case) -> None:
        cases.append(case)

    collect()
    return cases


def expected(name: str, case: Case) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        results = getattr(reference, name)(*case.arrays, **case.attributes)
    return results if isinstance(results, tuple) else (results,)


def request(name: str, case: Case) -> dict[str, Any]:
    attributes = {key: value for key, value in case.attributes.items() if value is not None}
    return {"name": name, "arrays": list(case.arrays), "attributes": attributes}


@pytest.mark.parametrize("name", reference.__all__)
def test_computes_what_the_reference_defines(modules: Page, name: str) -> None:
    cases = drawn(name)
    answers = call(modules, "run", [request(name, case) for case in cases])
    for case, results in zip(cases, answers, strict=True):
        assert not isinstance(results, dict), (results, case.attributes)
        for result, value in zip(results, expected(name, case), strict=True):
            assert_close(result, value, magnitude=1)


def test_generated_operations_are_those_of_the_reference() -> None:
    for file, text in (("reference.js", module()), ("formula_functions.js", formula_functions())):
        assert (PAGE / "engine" / file).read_text(encoding="utf-8") == text, "run make generated"
