"""Public names that were replaced still work, and say what they are called now."""

import pytest

import chainrule
from chainrule import layers

FORMER = [(chainrule, "Own", chainrule.CustomLayer), (layers, "Own", layers.CustomLayer)]


@pytest.mark.parametrize(("module", "name", "now"), FORMER)
def test_a_former_name_works_and_warns(module: object, name: str, now: object) -> None:
    with pytest.warns(DeprecationWarning, match="CustomLayer"):
        assert getattr(module, name) is now
