"""Contracts to try for an optimizer of a learner, from its signatures.

Parameters and gradients are passed as dictionaries, lists or arrays, or as the attributes of a layer. An update returns
new parameters, with its state if it takes any, or changes them in place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.custom.names import NAMES
from chainrule.custom.optimizers import is_gradient

Words = Mapping[str, Sequence[str]]
WEIGHTS, BIASES = "{0}[:6].reshape(2, 3)", "{0}[6:].reshape(1, 3)"  # the parameters in two parts
CONTAINERS = (  # forms of parameters, and of gradients and moments
    (f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}', f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}'),
    (f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}', f'{{{{"dW1": {WEIGHTS}, "db1": {BIASES}}}}}'),
    (f"[{WEIGHTS}, {BIASES}]", f"[{WEIGHTS}, {BIASES}]"),
    ("{0}", "{0}"),
)
MODELS = {  # arguments of constructors: parameters, or a model
    **dict.fromkeys(("params", "parameters", "model_params"), "[first, second]"),
    **dict.fromkeys(("model", "network"), "layer"),
}
LAYER = (
    *("layer = Holder()", "layer.layers = [layer]", "layer.trainable_layers = [layer]"),
    f"layer.W, layer.b = {WEIGHTS.format('start')}, {BIASES.format('start')}",
)
PAIR = (
    *("first = Holder()", "second = Holder()"),
    f"first.W, second.W = {WEIGHTS.format('start')}, {BIASES.format('start')}",
)


@dataclass(frozen=True)
class Signature:
    """A call of a learner's code.

    name       what is called, such as self.update
    arguments  whether each argument is required, by name
    named      arguments that are passed by name only
    """

    name: str
    arguments: Mapping[str, bool]
    named: Sequence[str]

    @classmethod
    def of(cls, text: str) -> "Signature":
        """Return the signature with a text such as "self.update(w, dw, *step, rate=)"; see `custom.optimizers`."""
        name, _, rest = text.removesuffix(")").partition("(")
        arguments, named = dict[str, bool](), list[str]()
        for argument in rest.split(", ") if rest else ():
            plain = argument.strip("*=")
            arguments[plain] = not argument.endswith("=")
            if argument.startswith("*"):
                named.append(plain)
        return cls(name, arguments, named)

    @property
    def required(self) -> list[str]:
        """Arguments without a default."""
        return [argument for argument, is_required in self.arguments.items() if is_required]

    def options(self, words: Words) -> dict[str, str]:
        """Return the option of each argument that is the value of one.

        words   usual names by option; each name is used for the first option that has it
        """
        options = dict[str, str]()
        for option, usual in words.items():
            argument = next((word for word in usual if word in self.arguments and word not in options), "")
            if argument:
                options[argument] = option
        return options

    def call(self, values: Mapping[str, str]) -> str:
        """Return the call with these values by argument; those after an argument without a value are named."""
        passed, is_positional = list[str](), True
        for argument in self.arguments:
            is_positional = is_positional and argument in values and argument not in self.named
            if argument in values:
                passed.append(values[argument] if is_positional else f"{argument}={values[argument]}")
        return f"{self.name}({', '.join(passed)})"


def contracts(calls: Sequence[str], words: Words, unsure: Sequence[str]) -> Iterator[str]:
    """Yield the contracts to try for an optimizer, beginning with the most usual one; none if nothing updates.

    calls   its signatures (`custom.optimizers.signatures`)
    words   usual names of arguments by option
    unsure  options that a function with a dictionary of options may not know
    """
    first, *methods = map(Signature.of, calls)
    if not first.name.startswith("self = "):
        yield from _updates(first, [], words, unsure)
        return
    if not methods:
        return
    models = {argument: MODELS[argument] for argument in first.arguments if argument in MODELS}
    making = [first.call({**models, **first.options(words)})]
    update, names = methods[0], {method.name for method in methods}
    required = update.required
    if "self.init" in names:
        yield _with_moments(update, making, words)
    elif len(required) == 1 and is_gradient(required[0]):
        yield "; ".join([*making, f"w = w - {update.call({required[0]: 'dw'})}"])
    elif len(required) <= 1:
        yield _with_layer(update, making, names, "[first, second]" in models.values())
    else:
        yield from _updates(update, making, words, unsure)


def _with_moments(update: Signature, making: Sequence[str], words: Words) -> str:
    """Return the contract of a class in this library's form, whose update returns new parameters and moments."""
    rest = [argument for argument in update.required if argument not in (*update.options(words), *NAMES.steps)]
    values = {**dict(zip(rest, ("w", "dw"), strict=False)), **dict.fromkeys(rest[2:], "moments")}
    values |= update.options(words) | dict.fromkeys(NAMES.steps, "step")
    return "; ".join([*making, "moments = self.init(start)", f"w, moments = {update.call(values)}"])


def _with_layer(update: Signature, making: Sequence[str], names: set[str], in_pair: bool) -> str:
    """Return the contract of an update of a layer, which it takes or the constructor has taken, or of parameters.

    in_pair   whether the constructor takes parameters, each with its gradient
    """
    lines, weights, biases = [*LAYER, *making], WEIGHTS.format("dw"), BIASES.format("dw")
    lines.append(f"layer.dW, layer.db = {weights}, {biases}")
    w = "layer.W, layer.b"
    if in_pair:
        lines = [*PAIR, *making, f"first.dW, second.dW = {weights}, {biases}"]
        w = "first.W, second.W"
    before, after = "self.pre_update_params", "self.post_update_params"
    if before in names:
        lines.append(f"{before}()")
    lines.append(f"_ = {update.call(dict.fromkeys(update.required, 'layer'))}")
    if after in names:
        lines.append(f"{after}()")
    return "; ".join([*lines, f"w = {w}"])


def _updates(update: Signature, making: Sequence[str], words: Words, unsure: Sequence[str]) -> Iterator[str]:
    """Yield the contracts of an update that takes parameters and gradients.

    sgd(w, dw, config), for example, takes a dictionary of options; adam(w, dw, m, v, t) moments that start at 0 and
    the number of the step; sgd(w, b, dw, db) parameters in two parts.
    """
    options = update.options(words)
    names = [argument for argument in update.arguments if argument not in (*options, *NAMES.steps)]
    required = [argument for argument in names if update.arguments[argument]]
    values = {**dict.fromkeys(NAMES.steps, "step"), **options}
    in_parts = len(required) == 4 and is_gradient(required[2])
    arrays = names[: 4 if in_parts else 2]
    state = {argument: f"state{number}" for number, argument in enumerate(required[len(arrays) :], 1)}
    lines = [[*making]]
    configuration = next((argument for argument in names if argument in NAMES.states), "")
    if configuration:
        state[configuration] = "config"
        without = {option: usual for option, usual in words.items() if option not in unsure}
        lines = [[*making, f"config = {_dictionary(known)}"] for known in (without, words)]
    values |= state
    for before in lines:
        for parameters, gradients in CONTAINERS[-1:] if in_parts else CONTAINERS:
            setup = [*before, f"v = {parameters.format('start')}"]
            passed = ["v", gradients.format("dw")]
            if in_parts:
                setup = [*before, f"v, c = {WEIGHTS.format('start')}, {BIASES.format('start')}"]
                passed = ["v", "c", WEIGHTS.format("dw"), BIASES.format("dw")]
            for name in state.values():
                if name != "config":
                    setup.append(f"{name} = {gradients.format('(start * 0)')}")
            call = update.call({**values, **dict(zip(arrays, passed, strict=False))})
            w = "v, c" if in_parts else "v"
            targets = dict.fromkeys([", ".join([w, *state.values()]), w])
            for line in (*(f"{target} = {call}" for target in targets), call):
                yield "; ".join([*setup, line, f"w = {w}"])


def _dictionary(words: Words) -> str:
    """Return a dictionary of options under all of their usual names."""
    entries = [f'"{word}": {option}' for option, usual in words.items() for word in usual]
    return f"{{{', '.join(entries)}}}"
