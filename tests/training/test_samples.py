"""Training samples: the validation split, with a share of every class."""

import numpy as np
from numerical import assert_close

import chainrule as cr


def data(count: int, seed: int, validation: cr.Dataset | None = None) -> cr.Dataset:
    generator = np.random.default_rng(seed)
    y = np.sort(generator.choice(3, count, p=[0.7, 0.2, 0.1])).astype(np.int64)
    x = generator.integers(0, 256, (count, 1, 3, 3), np.uint8)
    return cr.Dataset(x, y, ("a", "b", "c"), validation=validation)


def model() -> cr.Sequential:
    return cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 3, 3), engine="numpy")


def test_data_with_a_validation_part_are_validated_on_it() -> None:
    held = data(30, 1)
    training = data(60, 2, held)
    first, second, third = model(), model(), model()
    history = first.fit(training, epochs=2, patience=2, progress=False)
    expected = second.fit(data(60, 2), epochs=2, validation_data=held, progress=False)
    assert [epoch.validation_loss for epoch in history.epochs] == [epoch.validation_loss for epoch in expected.epochs]
    assert_close(history.epochs[-1].validation_loss, first.evaluate(held).loss)
    other = third.fit(training, epochs=1, validation_data=data(9, 3), progress=False)  # arguments take precedence
    assert_close(other.epochs[0].validation_loss, third.evaluate(data(9, 3)).loss)
