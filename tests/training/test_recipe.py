"""A recipe and its config.json, from which a run is resumed."""

import pytest

from chainrule.errors import FormatError
from chainrule.training.recipe import Recipe


def test_a_config_of_before_there_were_smoothing_rates_lookahead_and_views_is_read() -> None:
    config = {
        name: value
        for name, value in Recipe().to_config().items()
        if name not in ("label_smoothing", "lr_multipliers", "lookahead", "views")
    }
    assert Recipe.from_config(config) == Recipe()


@pytest.mark.parametrize("written", [{"shift": 2}, 2, ["flip"]])
def test_an_augmentation_of_another_form_is_refused(written: object) -> None:
    with pytest.raises(FormatError, match="recipe: "):
        Recipe.from_config(Recipe().to_config() | {"augmentation": written})
