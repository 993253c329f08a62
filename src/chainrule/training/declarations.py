"""What options change, for the documentation: options of recipes, other arguments, and augmentation.

`options.PARTS` has the words, in the order in which a training goes through them. The table of docs/training.md is that
of `table`, and tests compare trainings with it.
"""

from chainrule.data.augmentation import EFFECTS
from chainrule.training.options import OPTIONS, PARTS

ARGUMENTS = {  # arguments of `fit`, and methods of models
    "sample_weight": ("loss weights",),
    "loss_weights": ("loss",),
    "validation_data": ("validation samples",),
    "learning_rate": ("rate",),
    "callbacks": ("end",),
    "set_thresholds": ("evaluated outputs",),
    "evaluate(loss=)": ("evaluated outputs",),
    "evaluate(sample_weight=)": ("evaluated outputs",),
    "evaluate(metrics=)": ("evaluated outputs",),
}
AUGMENTATION = {  # effect of augmentation (`EFFECTS`) → what it changes
    "moves": ("samples", "targets"),
    "exposes": ("positions that count",),
    "recolors": ("samples",),
    "covers": ("samples",),
}


def changed() -> dict[str, list[str]]:
    """Return the options that change each part, in the order in which they act."""
    declared = {name: option.changes for name, option in OPTIONS.items()} | ARGUMENTS
    result = dict[str, list[str]]()
    for part in PARTS:
        result[part] = [name for name, parts in declared.items() if part in parts]
    return result


def augmented() -> dict[str, list[str]]:
    """Return the options of augmentation that change each part."""
    result = {part: list[str]() for part in PARTS}
    for effect, parts in AUGMENTATION.items():
        for part in parts:
            result[part] += EFFECTS[effect]
    return result


def table() -> str:
    """Return the options that change each part as a Markdown table."""
    rows = ["| part | changed by |", "| --- | --- |"]
    fields = augmented()
    for part, names in changed().items():
        cell = ", ".join(f"`{name}`" for name in names)
        if fields[part]:
            listed = ", ".join(f"`{name}`" for name in dict.fromkeys(fields[part]))
            cell = f"{cell}; of augmentation: {listed}"
        rows.append(f"| {part} | {cell} |")
    return "\n".join(rows)
