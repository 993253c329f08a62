"""What a number is, in a few words."""

from chainrule.explain.cells import Entry
from chainrule.explain.gathering import primal

PARTS = {
    "y": "one output of {}",
    "w": "one weight of {}",
    "b": "one bias of {}",
    "gamma": "one scale γ of {}",
    "beta": "one shift β of {}",
    "mean": "the mean of one channel of {}",
    "variance": "the variance of one channel of {}",
    "running_mean": "the running mean of one channel of {}",
    "running_variance": "the running variance of one channel of {}",
    "winner": "the place of one winner of {}",
    "spread": "one output of {} before the bias",
    "m": "the running mean of the gradient of {}",
    "v": "the running mean of the squared gradient of {}",
    "u": "the velocity of {}",
    "velocity": "the velocity of {}",
}
WHOLE = {
    "x": "one number of the input",
    "t": "one number of the target",
    "dx": "the gradient of one number of the input",
    "loss.y": "the loss",
    "loss.correct": "whether the answer is right",
    "loss.error": "how far the answer is from the target",
}


def title(entry: Entry, moments: int = 0) -> str:
    """A noun phrase for an entry of a tensor; ``moments``: how many the optimizer keeps."""
    if entry.name in WHOLE:
        return WHOLE[entry.name]
    owner, _, own = entry.name.rpartition(".")
    if entry.kind == "update":
        return f"{_part(owner)} after the step"
    if entry.kind == "moment":
        known = "velocity" if moments == 1 and own in PARTS else own
        return PARTS.get(known, f"what its own optimizer keeps ({own}) of {{}}").format(_part(owner))
    if entry.kind == "gradient":
        return f"the gradient of {_part(primal(entry.name))}"
    return _part(entry.name)


def _part(name: str) -> str:
    layer, _, own = name.rpartition(".")
    return PARTS[own].format(layer) if own in PARTS else f"one number of {own} of {layer}"
