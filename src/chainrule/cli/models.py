"""`chainrule models`, and the templates that `--new` writes."""

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.output import MISSING, WIDTH, format_table, format_target, print_json
from chainrule.errors import OptionError, RunError

if TYPE_CHECKING:
    from chainrule.layers import Layer
    from chainrule.zoo.entry import Entry


@click.command(short_help="List the named networks, or describe one.")
@click.argument("name", required=False, type=options.MODEL)
@options.declared
@options.as_json
def models(
    name: str | None,
    *,
    program: bool = False,
    new: options.OutputFile = None,
    as_json: bool,
) -> None:
    """List the named networks with their layers, parameters, sources and target accuracies, or describe NAME in detail.

    --new FILE writes a complete network for you to edit; train it with chainrule train --model FILE.

    program  Print the compiled program of the model's training step.
    new      Write a template for your own network, a Python file.
    """
    from chainrule import zoo

    if new is not None:
        _write_new(new, only_option=name is None and not program and not as_json)
        return
    if program and name is None:
        raise OptionError("--program requires the name of a model")
    if name is None:
        _print_all(zoo.ENTRIES, as_json=as_json)
        return
    entry = zoo.find(name)
    if program:
        click.echo(_program(entry), nl=False)
    elif as_json:
        print_json(_about(entry))
    else:
        click.echo(_describe(entry))


def _print_all(entries: "Sequence[Entry]", *, as_json: bool) -> None:
    if as_json:
        print_json(list(map(_about, entries)))
    else:
        click.echo(_list(entries))


def _write_new(path: Path, *, only_option: bool) -> None:
    """Write a network template, and print the command that trains it."""

    if not only_option:
        raise OptionError("--new FILE cannot be combined with a NAME, --program or --json")
    write_template(path)
    click.echo(f"train it with: chainrule train --model {shlex.quote(str(path))}", err=True)
    click.echo(path)


def _program(entry: "Entry") -> str:
    """Return a model's training step as the compiled engine runs it: its loops, and the kernels that they call."""
    from chainrule.engines import loader

    loader.find("compiled")
    from chainrule.engines.native.program_tables import ProgramTables
    from chainrule.engines.native.tables import text_of

    model = entry.build(engine="numpy")
    writer = ProgramTables(model.plan(entry.recipe.loss), model.layout, str(model.dtype))
    return text_of(writer.training_steps(entry.recipe.optimizer.operation, single=entry.recipe.batch_size == 1))


def _about(entry: "Entry") -> dict[str, object]:
    model = entry.build(engine="numpy")
    tutorial = None
    if entry.tutorial:
        tutorial = entry.tutorial.to_config()
    return {
        "name": entry.name,
        "source": entry.source,
        "layers": [layer.describe() for layer in model.layers],
        "parameters": model.parameters.size,
        "targets": [{"data": target.data, target.metric: target.value} for target in entry.targets],
        "stated": entry.stated,
        "notes": entry.notes,
        "recipe": entry.recipe.to_config(),
        "tutorial": tutorial,
    }


def _list(entries: "Sequence[Entry]") -> str:

    rows = [["name", "layers", "parameters", "target", "source"]]
    layers = list[str]()
    for entry in entries:
        model = entry.build(engine="numpy")
        rows.append([entry.name, str(len(model.layers)), f"{model.parameters.size:,}", _targets(entry), entry.source])
        layers.append(", ".join(map(_describe_layer, model.layers)))
    head, *lines = format_table(rows, right=(1, 2)).splitlines()
    parts = [head]
    for line, listed in zip(lines, layers, strict=True):
        parts += [line, textwrap.fill(listed, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join(parts)


def _describe(entry: "Entry") -> str:
    from chainrule.cli.report import describe_recipe

    facts = {
        "target": _targets(entry),
        "reported": entry.stated,
        "recipe": describe_recipe(entry.recipe),
        **{f"on {name}": describe_recipe(recipe) for name, recipe in entry.recipes},
        "tutorial": entry.tutorial and describe_recipe(entry.tutorial),
        "data": _data(entry),
        "notes": entry.notes,
    }
    lines = [f"{entry.name}: {entry.source}", "", entry.build(engine="numpy").summary(), ""]
    for heading, text in facts.items():
        if text:
            lines.append(textwrap.fill(text, WIDTH, initial_indent=f"{heading:<13}", subsequent_indent=" " * 13))
    return "\n".join(lines)


def _targets(entry: "Entry") -> str:
    targets = (f"{target.data} ≥ {format_target(target.metric, target.value)}" for target in entry.targets)
    return ", ".join(targets) or MISSING


def _data(entry: "Entry") -> str:
    choice = entry.choice
    parts = [choice.name]
    if choice.only is not None:
        parts.append(f"only classes {', '.join(map(str, choice.only))}")
    if choice.per_class:
        parts.append(f"{choice.per_class} training images per class")
    return ", ".join(parts)


def _describe_layer(layer: "Layer") -> str:
    """Describe a layer without its initializer."""
    defaults: dict[str, object] = {field.name: field.default for field in fields(layer) if field.name == "initializer"}
    return replace(layer, **defaults).describe().removesuffix("()")


TEMPLATE = '''"""A custom network.

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
    model = cr.Sequential(network(len(training.classes)), training.sample_shape, name="{name}")
    model.fit(training, epochs=3, learning_rate=0.003, schedule="one-cycle", run=cr.Run("runs/{name}", test_data=test))
    print(model.evaluate(test).accuracy)
'''


def write_template(path: Path) -> None:
    """Write the template; raise RunError if the file exists."""
    from chainrule._io.files import write_atomic

    if path.suffix != ".py":
        raise OptionError(f"{path}: expected a name that ends with .py")
    if not path.stem.isprintable() or any(character in path.stem for character in "\"'\\{}"):
        raise OptionError(f"{path.name!r}: expected a name without quotes, braces or unprintable characters")
    if path.exists() or path.is_symlink():
        raise RunError(f"{path} already exists; choose another name")
    write_atomic(path, TEMPLATE.format(file=path.name, name=path.stem).encode())
