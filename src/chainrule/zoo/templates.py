"""Templates that `chainrule models --new FILE` writes: a network to start from, which trains as it stands."""

from pathlib import Path

from chainrule._io import files
from chainrule.errors import OptionError, RunError

PYTHON = '''"""A network of your own. Train it:    chainrule train --model {file}

Data of your own:    chainrule train --model {file} --data FOLDER --resize 32x32
"""

import chainrule as cr


def network(classes):
    """Return the layers in order, for the number of classes; a parameter `input_shape` may be added."""
    return [
        cr.Conv2D(8, 5),
        cr.ReLU(),
        cr.MaxPool2D(2),
        cr.Conv2D(16, 3),
        cr.ReLU(),
        cr.MaxPool2D(2),
        cr.Flatten(),
        cr.Dense(classes),
        cr.Softmax(),
    ]


if __name__ == "__main__":  # train from Python: python {file}
    training, test = cr.data.load("mnist")
    model = cr.Sequential(network(len(training.classes)), training.shape, name="{name}")
    model.fit(training, epochs=3, learning_rate=0.003, schedule="one-cycle", run=cr.Run("runs/{name}", test_data=test))
    print(model.evaluate(test).accuracy)
'''
TOML = """# A network of your own. Train it:    chainrule train --model {file}
# Data of your own:                   chainrule train --model {file} --data FOLDER --resize 32x32

name = "{name}"

# The layers in order; "classes" stands for the number of classes in the data. Nothing here is run as code.
layers = [
    "Conv2D(8, 5)",
    "ReLU()",
    "MaxPool2D(2)",
    "Conv2D(16, 3)",
    "ReLU()",
    "MaxPool2D(2)",
    "Flatten()",
    "Dense(classes)",
    "Softmax()",
]

[recipe]  # entries left out get defaults; command-line options take precedence
epochs = 3
optimizer = "adam"
learning_rate = 0.003
schedule = "one-cycle"
"""
JSON = """{{
  "name": "{name}",
  "layers": [
    "Conv2D(8, 5)",
    "ReLU()",
    "MaxPool2D(2)",
    "Conv2D(16, 3)",
    "ReLU()",
    "MaxPool2D(2)",
    "Flatten()",
    "Dense(classes)",
    "Softmax()"
  ],
  "recipe": {{"epochs": 3, "optimizer": "adam", "learning_rate": 0.003, "schedule": "one-cycle"}}
}}
"""
TEXTS = {".py": PYTHON, ".toml": TOML, ".json": JSON}


def write(path: Path) -> None:
    """Write the template for a file's extension; RunError when the file exists."""
    if path.suffix not in TEXTS:
        raise OptionError(f"{path}: expected a name that ends with {', '.join(TEXTS)}")
    if not path.stem.isprintable() or any(sign in path.stem for sign in "\"'\\{}"):
        raise OptionError(f"{path.name!r}: expected a name without quotes, braces or unprintable characters")
    if path.exists() or path.is_symlink():
        raise RunError(f"{path} exists already; choose another name")
    files.write_atomic(path, TEXTS[path.suffix].format(file=path.name, name=path.stem).encode())
