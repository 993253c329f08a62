"""`chainrule models`, and the templates that `--new` writes."""

import shlex
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.errors import OptionError, RunError

if TYPE_CHECKING:
    from chainrule.layers import Layer
    from chainrule.zoo.entries import Entry


@click.command(short_help="List the named networks, or describe one.")
@click.argument("name", required=False, shell_complete=options.completer(options.model_names))
@click.option("--program", is_flag=True, help="Print the compiled program of the model's training step.")
@click.option(
    "--new",
    metavar="FILE",
    type=options.PATH,
    help="Write a template for your own network: FILE.py, FILE.toml or FILE.json.",
)
@options.as_json
def models(name: str | None, program: bool, new: Path | None, as_json: bool) -> None:
    """List the named networks with their layers, parameters, sources and target accuracies, or describe NAME in detail.

    --new FILE writes a complete network for you to edit; train it with chainrule train --model FILE.
    """
    from chainrule import zoo
    from chainrule.cli.output import print_json

    if new is not None:
        _write_new(new, only_option=name is None and not program and not as_json)
        return
    if program and name is None:
        raise OptionError("--program requires the name of a model")
    entries = [zoo.find(name)] if name is not None else list(zoo.ENTRIES)
    if program:
        click.echo(_program(entries[0]), nl=False)
    elif as_json:
        descriptions = [_about(entry) for entry in entries]
        print_json(descriptions if name is None else descriptions[0])
    else:
        click.echo(_list(entries) if name is None else _describe(entries[0]))


def _write_new(path: Path, *, only_option: bool) -> None:
    """Write a network template, and print the command that trains it."""
    from chainrule.cli import run_paths

    if not only_option:
        raise OptionError("--new FILE cannot be combined with a NAME, --program or --json")
    run_paths.require_writable(path)
    write_template(path)
    click.echo(f"train it with: chainrule train --model {shlex.quote(str(path))}", err=True)
    click.echo(path)


def _program(entry: "Entry") -> str:
    """Return the source code of a model's training step in the compiled engine."""
    from chainrule.engines import loader

    loader.find("compiled")
    from chainrule.engines.compiled.codegen.generator import ProgramWriter

    model = entry.build(engine="numpy")
    writer = ProgramWriter(model.plan(entry.recipe.loss), model.layout, str(model.dtype))
    return writer.step_source(entry.recipe.optimizer.operation, single=entry.recipe.batch_size == 1)


def _about(entry: "Entry") -> dict[str, Any]:
    model = entry.build(engine="numpy")
    return {
        "name": entry.name,
        "source": entry.source,
        "layers": [layer.describe() for layer in model.layers],
        "parameters": model.parameters.size,
        "targets": [{"data": target.data, "accuracy": target.accuracy} for target in entry.targets],
        "stated": entry.stated,
        "notes": entry.notes,
        "recipe": entry.recipe.to_config(),
        "tutorial": entry.tutorial.to_config() if entry.tutorial else None,
    }


def _list(entries: "list[Entry]") -> str:
    from chainrule.cli.output import WIDTH, format_table

    rows = [["name", "layers", "parameters", "target", "source"]]
    for entry in entries:
        model = entry.build(engine="numpy")
        rows.append([entry.name, str(len(model.layers)), f"{model.parameters.size:,}", _targets(entry), entry.source])
    head, *lines = format_table(rows, right=(1, 2)).splitlines()
    parts = [head]
    for entry, line in zip(entries, lines, strict=True):
        layers = ", ".join(_describe_layer(layer) for layer in entry.build(engine="numpy").layers)
        parts += [line, textwrap.fill(layers, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join(parts)


def _describe(entry: "Entry") -> str:
    from chainrule.cli.output import WIDTH
    from chainrule.cli.report import describe_recipe

    facts = [("target", _targets(entry)), ("reported", entry.stated), ("recipe", describe_recipe(entry.recipe))]
    facts += [(f"on {name}", describe_recipe(recipe)) for name, recipe in entry.recipes]
    facts += [("tutorial", describe_recipe(entry.tutorial))] if entry.tutorial else []
    facts += [("data", _data(entry)), ("notes", entry.notes)]
    lines = [
        textwrap.fill(text, WIDTH, initial_indent=f"{heading:<13}", subsequent_indent=" " * 13)
        for heading, text in facts
        if text
    ]
    return "\n".join([f"{entry.name}: {entry.source}", "", entry.build(engine="numpy").summary(), "", *lines])


def _targets(entry: "Entry") -> str:
    from chainrule.cli.output import MISSING, format_percent

    return ", ".join(f"{target.data} ≥ {format_percent(target.accuracy, 1)}" for target in entry.targets) or MISSING


def _data(entry: "Entry") -> str:
    choice = entry.choice
    only = f", only classes {', '.join(map(str, choice.only))}" if choice.only is not None else ""
    return choice.name + only + (f", {choice.per_class} training images per class" if choice.per_class else "")


def _describe_layer(layer: "Layer") -> str:
    """Describe a layer without its initializer."""
    defaults: dict[str, Any] = {field.name: field.default for field in fields(layer) if field.name == "initializer"}
    return replace(layer, **defaults).describe().removesuffix("()")


PYTHON = '''"""A custom network.

Train on MNIST:      chainrule train --model {file}
Train on your data:  chainrule train --model {file} --data FOLDER --resize 32x32
"""

import chainrule as cr


def network(classes):
    """Return the layers in order, for a number of classes. You may add a parameter `input_shape`."""
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


if __name__ == "__main__":  # to train from Python: python {file}
    training, test = cr.data.load("mnist")
    model = cr.Sequential(network(len(training.classes)), training.shape, name="{name}")
    model.fit(training, epochs=3, learning_rate=0.003, schedule="one-cycle", run=cr.Run("runs/{name}", test_data=test))
    print(model.evaluate(test).accuracy)
'''
TOML = """# A custom network.
# Train on MNIST:      chainrule train --model {file}
# Train on your data:  chainrule train --model {file} --data FOLDER --resize 32x32

name = "{name}"

# The layers in order; "classes" is replaced by the number of classes in the data. Nothing here is executed.
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

[recipe]  # missing entries have defaults; command-line options take precedence
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
TEMPLATES = {".py": PYTHON, ".toml": TOML, ".json": JSON}


def write_template(path: Path) -> None:
    """Write the template for a file's extension; raise RunError if the file exists."""
    from chainrule._io.files import write_atomic

    if path.suffix not in TEMPLATES:
        raise OptionError(f"{path}: expected a name that ends with {', '.join(TEMPLATES)}")
    if not path.stem.isprintable() or any(character in path.stem for character in "\"'\\{}"):
        raise OptionError(f"{path.name!r}: expected a name without quotes, braces or unprintable characters")
    if path.exists() or path.is_symlink():
        raise RunError(f"{path} already exists; choose another name")
    write_atomic(path, TEMPLATES[path.suffix].format(file=path.name, name=path.stem).encode())
