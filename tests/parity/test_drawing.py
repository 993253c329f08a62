"""The configurations compared with PyTorch cover every layer and loss with every option. No PyTorch needed."""

from parity import drawing

from chainrule import layers
from chainrule.network import losses


def test_every_layer_and_loss_is_drawn() -> None:
    assert set(drawing.LAYERS) == set(layers.IN_A_ROW)
    assert set(drawing.ENDINGS) == set(losses.NAMES)
