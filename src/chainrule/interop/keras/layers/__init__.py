"""Functions that translate a call of a Keras layer (`layer_call.KerasCall`), one family of layers per file.

Their docstrings name the layers of chainrule: "Return Conv2D" means that the function applies a Conv2D layer and
returns the result. The command `chainrule import --layers` prints the first paragraph of each docstring, without
"Return".
"""

from chainrule.interop.keras.layer_call import MultiTranslation
from chainrule.interop.keras.layers import (
    activations,
    arithmetic,
    convolution,
    image_size,
    normalization,
    operations,
    shapes,
)
from chainrule.interop.onnx.operators import result

LAYERS: dict[str, MultiTranslation] = {
    name: translate
    for family in (convolution, activations, normalization, arithmetic, shapes, image_size)
    for name, translate in family.LAYERS.items()
}
OPERATIONS: dict[str, MultiTranslation] = operations.OPERATIONS  # functions of keras.ops, such as x + y


def described() -> list[tuple[str, str]]:
    """Return (name, description of the translation) for every Keras layer, in alphabetical order."""
    return [(name, result(LAYERS[name])) for name in sorted(LAYERS)]
