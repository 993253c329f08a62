"""The files that `chainrule models --new FILE` writes: a network to begin with, which trains as it stands."""

from pathlib import Path

from chainrule import files
from chainrule.errors import OptionError, RunError

PYTHON = '''"""A network of your own. Train it:    chainrule train --model {file}

Data of your own:    chainrule train --model {file} --data FOLDER --resize 32x32
"""

import chainrule as cr


def network(classes):
    """Return the layers in order; `classes` is how many the data have, and `input_shape` could be asked for too."""
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


if __name__ == "__main__":  # the same from Python: python {file}
    training, test = cr.data.load("mnist")
    model = cr.Sequential(network(len(training.classes)), training.shape, name="{name}")
    model.fit(training, epochs=3, rate=0.003, schedule="one-cycle", run="runs/{name}", test_data=test)
    print(model.evaluate(test).accuracy)
'''
TOML = """# A network of your own. Train it:    chainrule train --model {file}
# Data of your own:                   chainrule train --model {file} --data FOLDER --resize 32x32

name = "{name}"

# In order; "classes" stands for the number of classes in the data. Nothing here is run as code.
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

[recipe]  # what is left out is chosen by chainrule; options of the command line come first
epochs = 3
optimizer = "adam"
rate = 0.003
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
  "recipe": {{"epochs": 3, "optimizer": "adam", "rate": 0.003, "schedule": "one-cycle"}}
}}
"""
TEXTS = {".py": PYTHON, ".toml": TOML, ".json": JSON}


def write(path: Path) -> None:
    """Write the skeleton that the ending of a name asks for; never over a file that is there."""
    if path.suffix not in TEXTS:
        raise OptionError(f"{path}: expected a name that ends with {', '.join(TEXTS)}")
    if not path.stem.isprintable() or any(sign in path.stem for sign in "\"'\\{}"):
        raise OptionError(f"{path.name!r}: expected a name without quotes, braces and signs that cannot be printed")
    if path.exists() or path.is_symlink():
        raise RunError(f"{path} is there already; choose another name")
    files.write_whole(path, TEXTS[path.suffix].format(file=path.name, name=path.stem).encode())
