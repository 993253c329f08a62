"""Contracts to try for an optimizer of a learner, from its signatures.

Parameters and gradients are passed as dictionaries, lists or arrays, or as the attributes of a layer. An update returns
new parameters, with its state if it takes any, or changes them in place.
"""

from collections.abc import Iterator, Mapping, Sequence

from chainrule.check.guest.optimizers import is_gradient
from chainrule.custom.names import NAMES
from chainrule.custom.signatures import CallSignature

FURTHER = ("init", "pre_update_params", "post_update_params")  # methods beside that of the update
Words = Mapping[str, Sequence[str]]
WEIGHTS, BIASES = "{0}[:6].reshape(2, 3)", "{0}[6:].reshape(1, 3)"  # the parameters in two parts
CONTAINERS = (  # forms of parameters, and of gradients and moments
    (f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}', f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}'),
    (f'{{{{"W1": {WEIGHTS}, "b1": {BIASES}}}}}', f'{{{{"dW1": {WEIGHTS}, "db1": {BIASES}}}}}'),
    (f"[{WEIGHTS}, {BIASES}]", f"[{WEIGHTS}, {BIASES}]"),
    ("{0}", "{0}"),
)
PARAMETERS = "[first, second]"  # each with its gradient
MODELS = {  # arguments of constructors: parameters, or a model
    **dict.fromkeys(("params", "parameters", "model_params"), PARAMETERS),
    **dict.fromkeys(("model", "network"), "layer"),
}
LAYER = (
    *("layer = Namespace()", "layer.layers = [layer]", "layer.trainable_layers = [layer]"),
    f"layer.W, layer.b = {WEIGHTS.format('start')}, {BIASES.format('start')}",
)
PAIR = (
    *("first = Namespace()", "second = Namespace()"),
    f"first.W, second.W = {WEIGHTS.format('start')}, {BIASES.format('start')}",
)


def options_of(call: CallSignature, words: Words) -> dict[str, str]:
    """Return the option of each argument that is the value of one.

    words   usual names by option; each name is used for the first option that has it
    """
    options = dict[str, str]()
    for option, usual in words.items():
        for word in usual:
            if word in call.arguments and word not in options:
                options[word] = option
                break
    return options


def contracts(calls: Sequence[str], words: Words, unsure: Sequence[str]) -> Iterator[str]:
    """Yield the contracts to try for an optimizer, beginning with the most usual one; none if nothing updates.

    calls   its signatures (`custom.signatures`)
    words   usual names of arguments by option
    unsure  options that a function with a dictionary of options may not know
    """
    first, *others = map(CallSignature.of, calls)
    by_name = {call.name.partition(".")[2] or "__call__": call for call in others}
    methods = [by_name[name] for name in NAMES.updates if name in by_name][:1]
    methods += [by_name[name] for name in FURTHER if name in by_name and methods]
    if not first.name.startswith("self = "):
        yield from _updates(first, [], words, unsure)
        return
    if not methods:
        return
    making = [first.call({**MODELS, **options_of(first, words)})]
    update = methods[0]
    required = methods[0].required
    names = list[str]()
    for method in methods:
        names.append(method.name)
    if "self.init" in names:
        yield _with_moments(update, making, words)
    elif len(required) == 1 and is_gradient(required[0]):
        yield "; ".join([*making, f"w = w - {update.call({required[0]: 'dw'})}"])
    elif len(required) <= 1:
        yield _with_layer(update, making, names)
    else:
        yield from _updates(update, making, words, unsure)


def _with_moments(update: CallSignature, making: Sequence[str], words: Words) -> str:
    """Return the contract of a class in this library's form, whose update returns new parameters and moments."""
    rest = list[str]()
    for argument in update.required:
        if argument not in (*options_of(update, words), *NAMES.steps):
            rest.append(argument)
    values = {**dict(zip(rest, ("w", "dw"), strict=False)), **dict.fromkeys(rest[2:], "moments")}
    values |= options_of(update, words) | dict.fromkeys(NAMES.steps, "step")
    return "; ".join([*making, "moments = self.init(start)", f"w, moments = {update.call(values)}"])


def _with_layer(update: CallSignature, making: Sequence[str], names: Sequence[str]) -> str:
    """Return the contract of an update of a layer, which it takes or the constructor has taken, or of parameters.

    names   names of the methods
    """
    lines = [*LAYER, *making]
    weights = WEIGHTS.format("dw")
    biases = BIASES.format("dw")
    lines.append(f"layer.dW, layer.db = {weights}, {biases}")
    w = "layer.W, layer.b"
    if PARAMETERS in making[0]:
        lines = [*PAIR, *making, f"first.dW, second.dW = {weights}, {biases}"]
        w = "first.W, second.W"
    before = "self.pre_update_params"
    after = "self.post_update_params"
    if before in names:
        lines.append(f"{before}()")
    lines.append(f"_ = {update.call(dict.fromkeys(update.required, 'layer'))}")
    if after in names:
        lines.append(f"{after}()")
    return "; ".join([*lines, f"w = {w}"])


def _updates(update: CallSignature, making: Sequence[str], words: Words, unsure: Sequence[str]) -> Iterator[str]:
    """Yield the contracts of an update that takes parameters and gradients.

    sgd(w, dw, config), for example, takes a dictionary of options; adam(w, dw, m, v, t) moments that start at 0 and
    the number of the step; sgd(w, b, dw, db) parameters in two parts.
    """
    options = options_of(update, words)
    names = list[str]()
    required = list[str]()
    for argument, default in update.arguments.items():
        if argument not in (*options, *NAMES.steps):
            names.append(argument)
            if default is None:
                required.append(argument)
    w = "v"
    containers = CONTAINERS
    count = 2
    if len(required) == 4 and is_gradient(required[2]):
        w = "v, c"
        containers = CONTAINERS[-1:]
        count = 4
    state = dict[str, str]()
    for number, argument in enumerate(required[count:], 1):
        state[argument] = f"state{number}"
    beginnings = [[*making]]
    for argument in NAMES.states:
        if argument in names:
            state[argument] = "config"
            sure = dict(words)
            for option in unsure:
                del sure[option]
            beginnings = [[*making, _configuration(sure)], [*making, _configuration(words)]]
    values = {**dict.fromkeys(NAMES.steps, "step"), **options, **state}
    for beginning in beginnings:
        for parameters, gradients in containers:
            lines = [*beginning, f"v = {parameters.format('start')}"]
            passed = ["v", gradients.format("dw")]
            if count == 4:
                lines = [*beginning, f"v, c = {WEIGHTS.format('start')}, {BIASES.format('start')}"]
                passed = ["v", "c", WEIGHTS.format("dw"), BIASES.format("dw")]
            for name in state.values():
                if name != "config":
                    lines.append(f"{name} = {gradients.format('(start * 0)')}")
            call = update.call({**values, **dict(zip(names, passed, strict=False))})
            results = dict.fromkeys((f"{', '.join([w, *state.values()])} = {call}", f"{w} = {call}", call))
            for line in results:
                yield "; ".join([*lines, line, f"w = {w}"])


def _configuration(words: Words) -> str:
    """Return the line of a dictionary of options under all of their usual names."""
    entries = list[str]()
    for option, usual in words.items():
        for word in usual:
            entries.append(f'"{word}": {option}')
    return f"config = {{{', '.join(entries)}}}"
