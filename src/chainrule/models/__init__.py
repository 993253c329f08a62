"""Models: networks that users train and save (`Sequential` and `Graph`).

The package also contains summaries and the format of descriptions. A description is a dictionary that describes a
model in a file, without weights (`Model.about`).

Imports: errors, _io, core, engines, layers, data, network, training.
"""

import importlib.util
import sys
from typing import Any


def __getattr__(name: str) -> Any:
    """Raise AttributeError. For a name of Keras, such as ``models.load_model``, its message contains ours."""
    if importlib.util.find_spec(f"{__name__}.{name}"):  # Python looks for a name before it imports a file
        raise AttributeError(name)
    from chainrule.core.words import attribute_error

    module = sys.modules[__name__]
    raise attribute_error(f"module {__name__!r}", name, vars(module), module)
