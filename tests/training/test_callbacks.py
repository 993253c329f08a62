"""The callback protocol: order of calls, stopping, and the state after an exception."""

from typing import Any

import numpy as np
import pytest
from training.made import classifier, stripes

QUIET = {"progress": False, "learning_rate": 0.02, "batch_size": 50}


class Some:
    """Has two of the methods and is not a `Callback`."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
        self.log.append((samples, outcome.loss))
        trainer.stop = len(trainer.history) == 11

    def end(self, trainer: Any) -> None:
        self.log.append("end")


@pytest.mark.parametrize("moment", ["begin", "stepped", "epoch_ended", "end"])
def test_an_exception_of_a_callback_is_raised_and_the_model_can_be_used(moment: str) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError(moment)

    some, spoilt = Some(), type("Spoilt", (), {moment: staticmethod(fail)})()
    x, y = stripes()
    trained = classifier()
    before = trained.parameters.copy()
    with pytest.raises(ZeroDivisionError, match=moment):
        trained.fit(x, y, epochs=1, callbacks=[some, spoilt], **QUIET)
    assert some.log[-1] == "end"
    steps = {"begin": 0, "stepped": 1, "epoch_ended": 8, "end": 8}[moment]
    assert len(some.log) == steps + 1
    assert (trained.parameters == before).all() == (steps == 0)
    assert trained.evaluate(x, y).samples == 400
    trained.fit(x, y, epochs=3, **QUIET)
    assert trained.evaluate(x, y).accuracy > 0.9


def test_an_exception_leaves_the_best_weights_where_patience_keeps_them() -> None:
    x, y = stripes()
    kept: list[np.ndarray] = []

    def fail(trainer: Any, epoch: Any) -> None:
        kept.append(trainer.network.parameters.copy())
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    trained = classifier()
    with pytest.raises(KeyboardInterrupt):  # with rotated labels the loss only rises
        trained.fit(x, y, epochs=5, validation_data=(x, 2 - y), patience=5, callbacks=fail, **QUIET)
    losses = [trained.evaluate(x, 2 - y).loss]
    for parameters in kept[:3]:
        trained.parameters[:] = parameters
        losses.append(trained.evaluate(x, 2 - y).loss)
    assert losses[0] == min(losses[1:])
