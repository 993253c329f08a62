"""Propose the contract of a learner's layer: names draft it, and the numbers of its output confirm it.

A draft is confirmed if its output is right for a batch of different samples. Names alone count only for code that is
called as its course calls it; anything else is not judged, and the report prints the contract to complete.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, permutations, product
from typing import Any, NamedTuple, cast

import numpy as np

from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.known_interfaces import (
    DATA,
    LAYERS_BY_NAME,
    SIZES,
    Case,
    ClassInterface,
    class_interface,
    interface_of,
    normalized_name,
)
from chainrule.check.library_functions import LibraryLayer
from chainrule.custom.calls import Array, InterfaceError
from chainrule.custom.contract import WEIGHTS, parse
from chainrule.custom.contract_code import arranged
from chainrule.custom.contract_run import squeezed
from chainrule.custom.gradient_names import arrays_named, owners, role_of
from chainrule.custom.names import NAMES
from chainrule.custom.proposal import (
    BACKWARD_WORDS,
    FORWARD_WORDS,
    RATE,
    LearnerCode,
    OwnContract,
    argument_values,
    inner_name,
    output_lines,
    own_contract,
    upstream_call,
)
from chainrule.custom.signatures import CallSignature, dotted
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import (
    ELU,
    AveragePool2D,
    BatchNorm2D,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    Rescaling,
    Softmax,
)
from chainrule.layers.kinds import EXAMPLES

SAMPLES = 3
TOLERANCE = 1e-4  # relative; sufficient for float32 code
MAX_MAKERS, MAX_PUTS = 24, 12  # numbers of constructor calls and of places of parameters that are tried
EPSILONS = (1e-5, 1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)  # usual ε of normalizations
SLOPES = (0.01, 0.1, 0.2, 0.3, 0.05, 0.02)  # usual ones of leaky ReLU
LAYOUTS = {  # axes of x that are tried, by number of axes of a batch; batches before single samples
    2: ("", "D,N", "D", "D,1", "1,D"),
    3: ("", "N,W,C", "C,W"),
    4: ("", "N,H,W,C", "N,H,W", "C,H,W", "H,W,C", "H,W"),
}
KERNELS = ("K,L,C,O", "O,K,L,C", "C,O,K,L", "C,K,L,O")  # axes of kernels that functions take
UNKNOWN_KINDS = ("dense", "conv2d", "batchnorm", "layernorm", "conv1d")  # tried for classes with other names
SHAPES = ((7,), (3, 7, 6), (3, 9))  # inputs of layers that this library does not have
PARAMETERLESS = (
    *((layer, (6,)) for group in EXAMPLES.values() for layer in group),
    *((layer, (3, 7, 6)) for layer in (GlobalAveragePool2D(), GlobalMaxPool2D(), Flatten())),
    *((layer, (6,)) for layer in (Softmax(), Rescaling(1.0))),
)
TRAINING = {**dict.fromkeys(NAMES.training, "train"), "mode": "mode"}
TESTING = ("eval", "evaluate", "test")  # arguments that are True in test mode
MODAL = (BatchNorm2D, Dropout)


class AmbiguousError(InterfaceError):
    """Code that is right in a weak layout only, which must be stated: `contract`."""

    def __init__(self, message: str, contract: str) -> None:
        super().__init__(message)
        self.contract = contract


class Reading(NamedTuple):
    """How a learner's layer is called, and what it should compute.

    contract   text of the contract
    case       the intended layer; None if it is none of this library
    confirmed  whether its output is right
    right      whether its gradients are right, too
    shapes     shapes of the parameters, if there is no case
    shape      shape of one input, if there is no case
    """

    contract: str
    case: Case | None
    confirmed: bool
    right: bool = False
    shapes: Mapping[str, tuple[int, ...]] = {}
    shape: tuple[int, ...] | None = None


@dataclass
class Search:
    """The search for a contract of code as one layer."""

    file: CheckedFile
    code: LearnerCode
    case: Case
    interface: ClassInterface | None
    layouts: tuple[str, ...] = ()
    documented: str | None = None  # the first draft that runs, and whose names are all usual
    documented_y: Array = field(default_factory=lambda: np.zeros(0))  # its output
    failure: StudentError | None = None
    is_guess: bool = False  # whether the draft guesses the values of arguments of the constructor
    complete: bool = False  # whether the last backward ran, and dx had the shape of x
    intended: LibraryLayer = field(init=False)
    values: dict[str, Array] = field(init=False)
    options: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.intended = LibraryLayer(self.case.layer, self.case.shape)
        self.options = self.case.options
        generator = np.random.default_rng(5)
        self.values = {name: generator.normal(size=size) for name, size in self.intended.parameters.items()}
        self.values["x"] = generator.normal(size=(SAMPLES, *self.case.shape))

    def explore(self, text: str, **further: Array) -> dict[str, Array]:
        """Return the arrays by place after a run of these lines."""
        return self.file.explore(text, {**self.values, **further}, self.options)

    def drafts(self) -> Iterator[tuple[str, str, Array]]:
        """Yield layouts of x, texts up to y, and y in this library's axes."""
        rank = len(self.case.shape) + 1
        for layout in self.layouts or LAYOUTS.get(rank, ("",)):
            axes = [f"x: {layout}"] * bool(layout)
            for creation, places, usual in self._makers():
                for puts, named in self._puts(places):
                    for text, y in self._outputs("; ".join([*axes, *creation, *puts]), axes, places):
                        is_usual = usual and named and not layout and self.code.usual
                        has_parameters = {*self.intended.parameters} - {"b"} <= parse(text).reads
                        if self.documented is None and is_usual and has_parameters and self._has_axes(y):
                            self.documented = text
                            self.documented_y = y
                        yield layout, text, y

    def _has_axes(self, y: Array) -> bool:
        """Return whether an output may be a batch: of vectors, or of images with the axes N, C, H, W."""
        expected = (SAMPLES, *self.intended.output_shape)
        return y.ndim == len(expected) and y.shape[: 1 + (y.ndim > 3)] == expected[: 1 + (y.ndim > 3)]

    def _makers(self) -> Iterator[tuple[list[str], dict[str, Array], bool]]:
        """Yield lines that make the object, the places in it, and whether the meanings of all arguments are known."""
        make = self.code.make
        self.is_guess = False
        if make is None:
            yield [], {}, True
            return
        meanings = {} if self.interface is None else self.interface.meanings(make.arguments)
        values = dict[str, str]()
        unknown = list[str]()
        for argument, default in make.arguments.items():
            option = meanings.get(argument)
            if option is not None and (option in SIZES or option in self.options):
                if default is not None and default.startswith("'"):
                    continue
                word = SIZES.get(option, option)
                if default == "()" and option not in SIZES:
                    word = "(rows, columns)" if option == "window" else f"({word}, {word})"
                values[argument] = word
            elif default is None:
                unknown.append(argument)
        for choice in islice(product(*map(_suggestions, unknown)), MAX_MAKERS):
            line = make.call({**values, **dict(zip(unknown, choice, strict=True))})
            try:
                places = self.explore(line)
            except UnwrittenError:
                raise
            except StudentError as error:
                self.failure = self.failure or error
                continue
            anything = DATA["suggestions"][-1][1]
            self.is_guess = any(_suggestions(argument) is anything for argument in unknown)
            yield [line], places, not unknown

    def _puts(self, places: Mapping[str, Array]) -> Iterator[tuple[list[str], bool]]:
        """Yield lines that put the parameters into an object, and whether the places have usual names."""
        parameters = self.intended.parameters
        if self.code.make is None or not parameters:
            yield [], True
            return
        held = {place: value for place, value in places.items() if value.dtype.kind == "f" and value.ndim}
        if not held:  # the parameters are made in the first call
            yield [], True
            return
        yield from self._bias_inside(held)
        options = list[list[tuple[list[str], str, bool]]]()
        for name, shape in parameters.items():
            by_name = {dotted(place): place for place in held}
            usual = [by_name[key] for key in arrays_named(name, by_name)]
            if name == "gamma":
                usual += [by_name[key] for key in arrays_named("w", by_name)]
            fitting = list[tuple[list[str], str, bool]]()
            for place in dict.fromkeys([*usual, *held]):
                named = place in usual
                for axes in _axes(shape, held[place].shape, name):
                    fitting.append(([f"{name}: {axes}"] * bool(axes), f"{place} = {name}", named))
            if not fitting and name == "b" and getattr(self.case.layer, "bias", False) is True and not usual:
                fitting.append(([], "", True))  # the learner may omit it
            options.append(fitting)
        for choice in islice(product(*options), MAX_PUTS):
            lines = [put for _, put, _ in choice if put]
            if len({line.partition(" = ")[0] for line in lines}) < len(lines):
                continue
            axes = [line for layout, _, _ in choice for line in layout]
            yield [*axes, *lines], all(named for _, _, named in choice)

    def _bias_inside(self, held: Mapping[str, Array]) -> Iterator[tuple[list[str], bool]]:
        """Yield lines for weights whose last or first row or column is the bias."""
        parameters = self.intended.parameters
        if parameters.keys() != {"w", "b"} or len(parameters["w"]) != 2:
            return
        rows, columns = parameters["w"]
        for place, value in held.items():
            for weights, bias in (("[:-1]", "[-1]"), ("[1:]", "[0]")):
                if value.shape == (columns + 1, rows):
                    yield ["w: D,O", f"{place}{weights} = w", f"{place}{bias} = b"], True
                if value.shape == (rows, columns + 1):
                    yield [f"{place}[:, {weights[1:]} = w", f"{place}[:, {bias[1:]} = b"], True

    def _outputs(self, text: str, axes: Sequence[str], places: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """Yield texts with the line of y, and y."""
        needs_put = self.code.make is not None and self.intended.parameters and not _held(places)
        flags = self._flags(places)
        for call in self.code.forward:
            for layouts, line in self._forward_lines(call, places):
                attributes = [line for line in layouts if line.startswith("self.")]
                parts = [*(line for line in layouts if line not in attributes), text, *flags, *attributes]
                if needs_put:  # the parameters are made in the first call
                    warm = "; ".join(filter(None, [*parts, line.removeprefix("q = ")]))
                    try:
                        lazy = self.explore(warm)
                    except StudentError as error:
                        self.failure = self.failure or error
                        continue
                    for puts, _ in self._puts(lazy):
                        yield from self._output("; ".join([warm, *puts]), line, axes)
                    continue
                yield from self._output("; ".join(filter(None, parts)), line, axes)

    def _output(self, text: str, line: str, axes: Sequence[str]) -> Iterator[tuple[str, Array]]:
        call = line.removeprefix("q = ")
        try:
            places = self.explore(f"{text}; {line}" if text else line)
        except UnwrittenError:
            raise
        except StudentError as error:
            self.failure = self.failure or error
            return
        lines = output_lines(call, places)
        if not lines:
            message = f"{self.code.name}: forward returned no array of numbers, or an empty one"
            self.failure = self.failure or StudentError(message)
        for last, place in lines:
            draft = f"{text}; {last}" if text else last
            yield draft, _to_library(draft, "y", places[place], len(self.case.shape) + 1)

    def _forward_lines(self, call: CallSignature, places: Mapping[str, Array]) -> Iterator[tuple[list[str], str]]:
        """Yield layouts of parameters that are arguments, and the call of forward."""
        values = self.argument_values(call, ["x"], is_backward=False)
        if values is None:
            return
        if not call.arguments and self.code.make is not None:  # x is in an attribute
            for place, value in places.items():
                if not value.size and place.rpartition(".")[2].lower() in ("x", *NAMES.roles["x"]):
                    yield [f"{place} = x"], f"q = {call.call({})}"
            return
        for axes in self._axes_of_arguments():
            context = ["ctx = Context()"] * ("ctx" in values.values())
            for argument in [argument for argument, value in values.items() if value == "config"]:
                context += [f"config = {self._entries_of(argument)}", "config['mode'] = mode"]
            yield [*axes, *context], f"q = {call.call(values)}"
        switches = [name for name, default in call.arguments.items() if default == "False" and name not in values]
        if switches and self.code.make is not None:  # backward may need what forward saves on request
            yield [], f"q = {call.call({**values, **dict.fromkeys(switches, 'True')})}"

    def _axes_of_arguments(self) -> Sequence[Sequence[str]]:
        """Return the axes to try for parameters that are arguments of functions."""
        parameters = self.intended.parameters
        if self.code.make is None and len(parameters.get("w", ())) == 2:
            return ((), ("w: D,O",))
        if self.code.make is None and len(parameters.get("w", ())) == 4:
            return ((), *((f"w: {axes}",) for axes in KERNELS))
        if self.code.make is None and "gamma" in parameters and len(self.case.shape) == 3:
            return ((), ("gamma: 1,O,1,1", "beta: 1,O,1,1"))
        return ((),)

    def argument_values(self, call: CallSignature, free: Sequence[str], *, is_backward: bool) -> dict[str, str] | None:
        """Return the expressions of the arguments of a call; None if the meaning of a required one is unknown."""
        words = dict[str, str]()
        options = {} if self.interface is None else self.interface.meanings(call.arguments)
        for argument, option in options.items():
            if self.code.make is None and option in self.options:
                words[argument] = option
        if is_backward:
            words = {
                **BACKWARD_WORDS,
                **words,
                **dict.fromkeys(NAMES.upstream, "dy"),
                **dict.fromkeys(NAMES.rates, RATE),
            }
        words |= FORWARD_WORDS | dict.fromkeys(NAMES.contexts, "ctx")
        if isinstance(self.case.layer, MODAL):
            words = {**TRAINING, **words}
        for argument in call.arguments:
            role = role_of(argument)
            expression = words.get(argument, words.get(argument.lower()))
            if argument in DATA["dictionaries"]:
                has_mode = "mode" in DATA["dictionaries"][argument]
                words[argument] = "config" if has_mode else self._entries_of(argument)
            elif (
                self.code.make is None
                and options.get(argument) != "groups"
                and role in self.intended.parameters
                and (expression not in ("dy", "x") or role == "w")
            ):
                words[argument] = role
        return argument_values(call, words, free)

    def backward_values(self, call: CallSignature, text: str) -> dict[str, str] | None:
        """Return the expressions of the arguments of a call of backward after the lines up to y."""
        free = ["dy", "cache" if "cache" in parse(text).assigns else "x", "y"]
        return self.argument_values(call, free, is_backward=True)

    def _entries_of(self, argument: str) -> str:
        """Return a dictionary of options as an expression, without the mode, which changes."""
        entries = list[str]()
        for key, option in DATA["dictionaries"][argument].items():
            if option in self.options and not (option == "padding" and hasattr(self.case.layer, "window")):
                entries.append(f"'{key}': {option}")
        return "{" + ", ".join(entries) + "}"

    def _flags(self, places: Mapping[str, Array]) -> list[str]:
        """Return the lines that choose training or test mode by an attribute or a method."""
        optimizers = [
            f"{place} = Recorder()" for place, value in places.items() if place == "self.optimizer" and not value.size
        ]
        if not isinstance(self.case.layer, MODAL) or self.code.make is None:
            return optimizers
        if isinstance(self.case.layer, BatchNorm2D) and not any(re.search("running|moving", place) for place in places):
            return optimizers  # without running statistics, there is no test mode
        for place, value in places.items():
            word = place.rpartition(".")[2]
            if value.dtype.kind == "b" and place.count(".") == 1:
                if word in NAMES.training:
                    return [f"{place} = train"]
                if word in NAMES.testing:
                    return [f"train: {place} = False", f"test: {place} = True"]
        if {"train", "eval"} <= self.code.methods:
            return ["train: self.train()", "test: self.eval()"]
        return []

    def gradients(self, text: str, y: Array, expected: Mapping[str, Array], dy: Array) -> tuple[str, int]:
        """Return the text with the lines of backward, and the number of right gradients. Names come first."""
        best = (text, -1)
        self.complete = False
        self.values["dy"] = dy
        for call in self.code.backward:
            if f"{call.name}(" in text:  # it is forward
                continue
            values = self.backward_values(call, text)
            if values is None:
                continue
            for (expression, updates), (first, lines) in product(
                self.backward_calls(call, values), self._with_resets(text)
            ):
                before = "; ".join([first, *lines])
                try:
                    places = self.explore(f"{before}; r = {expression}")
                except StudentError as error:
                    self.failure = error
                    candidate = (f"{before}; dx = {expression}", 0)
                else:
                    discovered = [places[place].shape for place in self._places_of_dx(places, [*expected][1:])[:1]]
                    shape = self.values["x"].shape[parse(text).single :]
                    has_shape = not discovered or sorted(squeezed(discovered[0])) == sorted(squeezed(shape))
                    self.complete = self.complete or has_shape
                    candidate = self._with_places(before, expression, places, expected, updates)
                if candidate[1] > best[1]:
                    best = candidate
                if best[1] == len(expected):
                    return best
        return best

    def backward_calls(self, call: CallSignature, values: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Yield expressions of a call of backward, and whether it takes a learning rate."""
        if "dy" not in values.values() and self.code.make is None and len(call.required) == 1:
            for variable in ("x", "y"):  # the derivative of a function of one variable
                yield f"dy * {call.call({next(iter(call.arguments)): variable})}", False
        yield upstream_call(call, values), RATE in values.values()

    def _with_resets(self, text: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the lines up to y, and those that reset gradients, before backward and then before forward."""
        resets = [f"self.{name}()" for name in ("zero_grad", "zeroGradParameters") if name in self.code.methods]
        yield text, [*resets, *self._resets(text)]
        if resets:
            *before, last = text.split("; ")
            yield "; ".join([*before, *resets, last]), self._resets(text)

    def _resets(self, text: str) -> list[str]:
        """Return lines that reset the gradients in parameter objects."""
        lines = list[str]()
        for line in parse(text).lines:
            if line.put is not None:
                place = str(line).partition(" = ")[0]
                for word in NAMES.values:
                    if place.endswith(f".{word}"):
                        gradient = f"{place.removesuffix(f'.{word}')}.grad"
                        lines.append(f"{gradient} = {place} * 0")
        return lines

    def _with_places(
        self, text: str, call: str, places: Mapping[str, Array], expected: Mapping[str, Array], updates: bool
    ) -> tuple[str, int]:
        """Return the text with the call of backward and the places of the gradients, and how many are right."""
        puts = dict[str, str]()
        for line in parse(text).lines:
            if line.put is not None and line.put[1] in self.intended.parameters:
                puts[line.put[1]] = str(line).partition(" = ")[0]
        parameters = list[str]()
        for name in expected:
            is_argument = self.code.make is None and name in parse(text).reads
            if name != "x" and (name in puts or is_argument):
                parameters.append(name)
        lines = list[str]()
        count = 0
        for name, tried in self._candidates(text, puts, parameters, places, expected, updates).items():
            choice, is_right = self._chosen(text, call, name, tried, places, expected)
            count += is_right
            if choice is None and name == "x" and int(places.get("#r", 0)) > len(parameters):
                choice = "r[0]"
            if choice is None and name != "x" and name in puts:
                choice = self._by_numbers(text, name, places, expected[name])
            if choice is not None:
                lines.append(f"d{name} = {choice}")
        order = self._returned(places)
        whole = [line for line in lines if line.endswith(" = r")]
        if whole:
            lines.remove(whole[0])
            return "; ".join([text, f"{whole[0].removesuffix('r')}{call}", *lines]), count
        uses_result = any(re.search(r"\br\b", line) for line in lines)
        if order and uses_result and 1 < len(order) == len(lines) == int(places.get("#r", 0)):
            targets = {line.partition(" = ")[2]: line.partition(" = ")[0] for line in lines}
            if [*targets] == order:
                return f"{text}; {', '.join(targets.values())} = {call}", count
        return "; ".join([text, f"r = {call}" if uses_result else call, *lines]), count

    def _candidates(
        self,
        text: str,
        puts: Mapping[str, str],
        parameters: Sequence[str],
        places: Mapping[str, Array],
        expected: Mapping[str, Array],
        updates: bool,
    ) -> dict[str, list[str]]:
        """Return the places to try for each gradient: usual names, then the order of the results, then keys."""
        candidates = {"x": self._places_of_dx(places, parameters)}
        named = self._places_by_name(puts, places)
        order = self._returned(places)
        for number, name in enumerate(parameters):
            tried = [*named.get(name, [])]
            position = number + 1 if len(order) > len(parameters) else number
            if position < len(order) and self._fits(text, name, places[order[position]], expected[name]):
                tried.append(order[position])
            elif position < len(order) and not tried:  # the results may be in another order
                tried += [place for place in order if self._fits(text, name, places[place], expected[name])]
                tried.append(order[position])
            for key, place in self._entries(places):
                if role_of(re.sub(r"^(d_?|grad_?)", "", key)) == name:
                    tried.append(place)
            if updates and name in puts:
                tried.append(f"({name} - {puts[name]}) / {RATE}")
            candidates[name] = tried
        return candidates

    def _fits(self, text: str, name: str, value: Array, expected: Array) -> bool:
        shown = _to_library(text, f"d{name}", value, expected.ndim)
        return squeezed(shown.shape) == squeezed(expected.shape)

    def _chosen(
        self,
        text: str,
        call: str,
        name: str,
        tried: Sequence[str],
        places: Mapping[str, Array],
        expected: Mapping[str, Array],
    ) -> tuple[str | None, bool]:
        """Return the place of a gradient, and whether its numbers are right: the first of those that are, or at all."""
        choice = None
        for place in tried:
            value = self._value(text, call, place, places)
            if value is None:
                continue
            fits = self._fits(text, name, value, expected[name])
            of_other = [other for other in expected if other != "x" and self._fits(text, name, value, expected[other])]
            if choice is None and (fits or place != "r" or (name == "x" and not of_other)):
                choice = place
            shown = _to_library(text, f"d{name}", value, expected[name].ndim)
            if fits and nearly_equal(shown.reshape(expected[name].shape), expected[name], TOLERANCE):
                return place, True
        return choice, False

    def _places_of_dx(self, places: Mapping[str, Array], parameters: Sequence[str]) -> list[str]:
        discovered = [place for place in ("r", "r['dx']", "r['x']") if place in places]
        order = self._returned(places)
        if order and len(order) > len(parameters):
            discovered.append(order[0])
        if "#r" not in places and "r" not in places and not any(place.startswith("r[") for place in places):
            for word in NAMES.input_gradients:
                if f"self.{word}" in places:
                    discovered.append(f"self.{word}")
        return discovered

    def _returned(self, places: Mapping[str, Array]) -> list[str]:
        """Return the places of gradients without names, in order: those of (dx, dw, db) or of (dx, [dw, db])."""
        count = int(places.get("#r", 0))
        order = list[str]()
        for number in range(count):
            place = f"r[{number}]"
            if place in places:
                order.append(place)
            else:
                inner = 0
                while f"{place}[{inner}]" in places:
                    order.append(f"{place}[{inner}]")
                    inner += 1
        return order

    def _entries(self, places: Mapping[str, Array]) -> list[tuple[str, str]]:
        """Return key and place of the entries of returned dictionaries, and of those that an optimizer received."""
        discovered = list[tuple[str, str]]()
        for place in places:
            match = re.match(r"(?:r(?:\[1\])?|self\.optimizer\.grads)\['(\w+)'\]$", place)
            if match is not None:
                discovered.append((match[1], place))
        return discovered

    def _places_by_name(self, puts: Mapping[str, str], places: Mapping[str, Array]) -> dict[str, list[str]]:
        """Return the places in the object that have the name of each parameter's gradient."""
        by_dots = {
            dotted(place): place for place in places if place.startswith("self") and places[place].dtype.kind in "fc"
        }
        by_array = owners(by_dots, by_dots)
        discovered = dict[str, list[str]]()
        for name, place in puts.items():
            whole, bracket, part = place.partition("[:") if "[:" in place else (place, "", "")
            for end in ("[-1]", "[0]"):
                if (
                    place.endswith(end)
                    and place.removesuffix(end) in places
                    and places[place.removesuffix(end)].ndim == 2
                ):
                    whole, bracket, part = place.removesuffix(end), end, ""
            gradient = by_array.get(dotted(whole))
            if gradient is not None:
                suffix = bracket + part
                discovered[name] = [by_dots[gradient] + suffix]
        return discovered

    def _value(self, text: str, call: str, place: str, places: Mapping[str, Array]) -> Array | None:
        """Return the array at a place, which may be an expression; None if there is none."""
        if place in places:
            return places[place]
        try:
            return self.explore(f"{text}; r = {call}; q = {place}").get("q")
        except StudentError:
            return None

    def _by_numbers(self, text: str, name: str, places: Mapping[str, Array], expected: Array) -> str | None:
        """Return the place of an array that equals a gradient; None if there is none."""
        for place, value in places.items():
            if place.startswith(("self", "r")) and squeezed(value.shape) and value.dtype.kind == "f":
                shown = _to_library(text, f"d{name}", value, expected.ndim)
                if squeezed(shown.shape) == squeezed(expected.shape) and nearly_equal(
                    shown.reshape(expected.shape), expected, TOLERANCE
                ):
                    return place
        return None


def _held(places: Mapping[str, Array]) -> bool:
    return any(value.dtype.kind == "f" and value.ndim for place, value in places.items() if place.startswith("self"))


def _suggestions(argument: str) -> Sequence[str]:
    plain = argument.replace("_", "").lower()
    for words, values in DATA["suggestions"]:
        for word in words:
            if word in plain:
                return values
    raise LookupError(plain)


def _axes(shape: tuple[int, ...], held: tuple[int, ...], name: str) -> Iterator[str]:
    """Yield the axes of a parameter that is held in another shape; "" if it is the same."""
    letters = WEIGHTS.get(len(shape), "")
    for order in permutations(range(len(shape))):
        moved = [shape[place] for place in order]
        if [size for size in moved if size > 1] != [size for size in held if size > 1]:
            continue
        if tuple(moved) == held:
            yield "" if order == tuple(range(len(shape))) else ",".join(letters[place] for place in order)
        elif len(moved) > 1 and order == tuple(range(len(shape))):
            yield ""  # without axes of length 1
        elif len(moved) == 1:
            sizes = iter("O")
            yield ",".join(next(sizes) if size == shape[0] and size > 1 else "1" for size in held)


def _to_library(text: str, name: str, value: Array, rank: int) -> Array:
    """Return an array of the learner with this library's axes, under the layouts of a contract."""
    contract = parse(text, complete=False)
    stated = contract.axes(name)
    if name == "y" and stated is not None:
        rank = len(stated.replace("1", "")) or rank
    return np.asarray(arranged(value, stated, contract.own_axes(name, rank)))


def variants(case: Case) -> Iterator[Case]:
    """Yield a case, and the same layer by other usual definitions that code may choose itself."""
    yield case
    layer = case.layer
    if isinstance(layer, AveragePool2D) and layer.padding != "valid":
        yield replace(case, layer=replace(layer, count_padding=True))
    elif isinstance(layer, BatchNorm2D | LayerNorm):
        for epsilon in EPSILONS:
            yield replace(case, layer=replace(layer, epsilon=epsilon))
    elif isinstance(layer, LeakyReLU):
        for slope in SLOPES:
            yield replace(case, layer=LeakyReLU(slope))
    elif isinstance(layer, ELU):
        yield replace(case, layer=ELU())
    elif getattr(layer, "bias", False) is True:
        yield replace(case, layer=replace(layer, bias=False))


def read(
    file: CheckedFile, code: LearnerCode, against: Layer | None, shape: tuple[int, ...] | None, samples: str | None
) -> Reading:
    """Return the contract of a learner's layer.

    against   the intended layer; None: that of the name, or the one that the output shows
    shape     shape of one input; None: choose one

    Errors    InterfaceError if no contract is confirmed; StudentError for an error in code that is called as usual
    """
    failure: StudentError | None = None
    documented: Reading | None = None
    for case, interface in _candidates(code, against, shape):
        try:
            search = Search(file, code, case, interface)
        except ShapeError:
            continue
        confirmed = _confirmed(search, samples)
        if confirmed is not None and (code.usual or confirmed.right or len(code.backward) <= 2):
            return confirmed
        failure = failure or search.failure
        if search.documented is not None and documented is None and interface is not None:
            text = _with_backward(search, search.documented, search.documented_y)
            documented = Reading(text, case, False)
            is_varying = normalized_name(code.name) in DATA["names"]["varying"]
            if against is not None or (class_interface(code.name) is not None and not is_varying):
                return documented
        if isinstance(failure, UnwrittenError):
            raise failure
    if against is None:
        own = _own_layer(file, code, SHAPES if shape is None else (shape,))
        if own is not None:
            return own
    if failure is not None and against is None and code.usual:
        raise InterfaceError(str(failure))
    raise InterfaceError(str(failure) if failure else f"{code.name}: its output is that of no layer in any usual form")


def _candidates(
    code: LearnerCode, against: Layer | None, shape: tuple[int, ...] | None
) -> Iterator[tuple[Case, ClassInterface | None]]:
    """Yield the layers that code may be, and what the names of its arguments mean."""
    usual = class_interface(code.name) if against is None else interface_of(against)
    arguments = [*(code.make.arguments if code.make else ())]
    for call in code.forward[:1]:
        arguments += call.arguments
    if against is not None:
        from chainrule.check.random_inputs import input_shape_for

        shapes = (
            [shape]
            if shape
            else ([(6,)] if isinstance(against, BatchNorm2D | LayerNorm) else []) + [input_shape_for(against)]
        )
        for tried in shapes:
            yield Case(against, tried), usual or ClassInterface((), type(against).__name__)
        return
    names = [usual] if usual is not None and (usual.layer is not None or usual.against in LAYERS_BY_NAME) else []
    if usual is None:
        names += [class_interface(kind) for kind in UNKNOWN_KINDS]
    for interface in names:
        if interface is None:
            continue
        if interface.layer is None:
            yield Case(LAYERS_BY_NAME[interface.against], shape or (6,)), interface
            continue
        options_read = {*interface.meanings(arguments).values()}
        for argument in arguments:
            entries = {*DATA["dictionaries"].get(argument, {}).values()}
            options_read |= entries - {"padding"} if "window" in interface.base else entries
        padding = None
        creation = dict[str, str | None]() if code.make is None else code.make.arguments
        for argument, default in creation.items():
            if argument in ("padding", "pad") and default is not None and default.startswith("'"):
                padding = default.strip("'")
        case = interface.case(options_read, padding)
        # the code may have its own window
        if interface.base.get("window", 1) != 1 and not {"window", "kernel", "rows"} & options_read:
            for window in (2, 3):
                layer = replace(cast("Any", case.layer), window=window)
                sizes = (case.shape[0], *(window * (size // window) for size in case.shape[1:]))
                yield Case(layer, sizes), None
            continue
        if code.make is None and len(case.shape) == 3 and "kernel" in case.options and "kernel" not in options_read:
            case = replace(case, layer=replace(cast("Any", case.layer), kernel=(3, 2)))
        case = replace(case, shape=shape) if shape else case
        yield case, interface
        if isinstance(case.layer, Conv2D):
            yield replace(case, layer=replace(case.layer, bias="untied")), interface
    if usual is None or not (code.make and code.make.arguments):
        for layer, usual in PARAMETERLESS:
            yield Case(layer, shape or usual), None


def _confirmed(search: Search, samples: str | None) -> Reading | None:
    """Return the reading whose output is right, with the most right gradients; None if there is none."""
    if isinstance(search.case.layer, Dropout):
        return _confirmed_dropout(search)
    best: tuple[int, str, Case] | None = None
    is_guess = False  # whether the best draft guesses values, which may be the cause of wrong gradients
    expected = dict[Case, Array]()
    for case in variants(search.case):
        expected[case] = LibraryLayer(case.layer, case.shape).output(search.values)
    confirmed_layout: str | None = None
    runs = False  # whether the code returns a wrong y of the right shape for a batch
    for layout, text, y in search.drafts():
        if confirmed_layout is not None and layout != confirmed_layout:
            break  # a wrong gradient may seem right in a weaker layout, such as one of single samples
        contract = parse(text)
        used = {name for name in search.intended.parameters if name in contract.reads}
        for case, right in sorted(expected.items(), key=lambda entry: _distance(y, entry[1])):
            intended = LibraryLayer(case.layer, case.shape)
            if not {*intended.parameters} - {"b"} <= used:
                right = intended.output(_neutral(search.values, {*intended.parameters} - used))
            if ("b" in intended.parameters) != ("b" in used) and "b" in search.intended.parameters:
                continue
            target = right[0] if contract.single else right
            if y.shape != target.shape or not nearly_equal(y, target, TOLERANCE):
                runs = runs or (not layout and y.shape == target.shape)
                continue
            # code that runs on batches is no code of single samples, and no names tell columns from rows
            is_degenerate = contract.single or (layout == "D,N" and not used)
            if is_degenerate and samples is None and runs:
                message = f"{search.code.name}: right for x: {layout}, wrong for batches; state the contract if meant"
                raise AmbiguousError(message, _with_backward(search, text, right))
            dy = np.random.default_rng(7).normal(size=right.shape)
            gradients = _right_gradients(intended, search.values, dy, contract.single, used)
            full, count = search.gradients(_with_test_line(search, text), y, gradients, dy)
            if search.complete:
                confirmed_layout = layout
            if best is None or count > best[0]:
                best = (count, full, replace(search.case, layer=case.layer))
                is_guess = search.is_guess
            is_nothing = isinstance(case.layer, Rescaling) and search.is_guess  # Activation('identity') shows nothing
            if count == len(gradients) and not is_nothing:
                return Reading(full, best[2], True, True)
    if best is None:
        return None
    if is_guess:
        raise AmbiguousError(f"{search.code.name}: state the arguments that the constructor needs", best[1])
    return Reading(best[1], best[2], True)


def _confirmed_dropout(search: Search) -> Reading | None:
    """Return the first reading of a dropout whose output has the shape of x."""
    x = search.values["x"]
    for _, text, y in search.drafts():
        has_rate = "rate" in parse(text).reads
        if y.shape != x.shape or (search.is_guess and not has_rate):
            continue
        full = _with_backward(search, _with_test_line(search, text), y)
        if np.array_equal(y, x):
            raise AmbiguousError(f"{search.code.name}: it drops nothing; state the line of its training mode", full)
        case = search.case
        if not has_rate:  # the code has its own, which its scale shows
            case = replace(case, layer=Dropout(_dropped(y / x)))
        return Reading(full, case, True)
    return None


def _neutral(values: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
    """Return the values, with neutral ones of some parameters."""
    changed = dict(values)
    for name in names:
        changed[name] = np.full_like(values[name], float(name == "gamma"))
    return changed


def _right_gradients(
    intended: LibraryLayer, values: Mapping[str, Array], dy: Array, single: bool, used: Collection[str]
) -> dict[str, Array]:
    """Return the right gradients of x and of the parameters in use; for single samples, those of the first."""
    if single:
        gradients = dict(intended.gradients({**values, "x": values["x"][:1]}, dy[:1]))
        gradients["x"] = gradients["x"][0]
    else:
        gradients = dict(intended.gradients(dict(values), dy))
    return {name: value for name, value in gradients.items() if name in used or name == "x"}


def _distance(y: Array, right: Array) -> float:
    """Return the largest difference of two outputs; infinity if they have other shapes."""
    if y.shape != right.shape:
        return np.inf
    return float(np.abs(y - right).max())


def _dropped(ratio: Array) -> float:
    """Return the probability of dropping, from y / x: 1 − 1/scale, or the fraction of zeros if nothing is scaled."""
    kept = ratio[ratio != 0]
    scale = float(np.median(kept)) if kept.size else 1.0
    if scale > 1:
        return 1 - 1 / scale
    return round(float((ratio == 0).mean()), 1)


def _with_backward(search: Search, text: str, y: Array) -> str:
    """Return the text with the lines of backward, whose places have usual names."""
    if isinstance(search.failure, UnwrittenError):
        return text
    dy = np.random.default_rng(7).normal(size=y.shape)
    expected = {"x": search.values["x"], **{name: search.values[name] for name in search.intended.parameters}}
    if parse(text).single:
        expected["x"] = expected["x"][0]
    return search.gradients(text, y, expected, dy)[0]


def _with_test_line(search: Search, text: str) -> str:
    """Return the text with a line of y for test mode, if an argument such as eval=False chooses it."""
    if not isinstance(search.case.layer, MODAL):
        return text
    for call in search.code.forward:
        for argument, default in call.arguments.items():
            if argument in TESTING and default == "False":
                *before, last = text.split("; ")
                return "; ".join([*before, f"train: {last}", f"test: {last.removesuffix(')')}, {argument}=True)"])
    return text


def _own_layer(file: CheckedFile, code: LearnerCode, shapes: Sequence[tuple[int, ...]]) -> Reading | None:
    """Return the contract of a layer that this library does not have: its gradients have usual names."""
    for shape in shapes:
        for interface in (class_interface("dense"), class_interface("conv2d")):
            search = Search(file, code, Case(Rescaling(1.0), shape), interface, layouts=("",))
            for _, text, y in search.drafts():
                if y.ndim and len(y) == SAMPLES:
                    own = _with_own_gradients(search, text, np.random.default_rng(7).normal(size=y.shape))
                    if own is not None:
                        sizes = {inner_name(name): value.shape for name, value in own.values.items()}
                        return Reading(own.contract, None, False, False, sizes, shape)
    return None


def _with_own_gradients(search: Search, text: str, dy: Array) -> OwnContract | None:
    """Return the first contract with the lines of backward whose dx has the shape of x, or that returns several."""
    *made, last = text.split("; ")
    x = search.values["x"]
    for call in search.code.backward:
        values = search.backward_values(call, text)
        if values is None:
            continue
        for expression, _ in search.backward_calls(call, values):
            try:
                own = own_contract(
                    made,
                    last.partition(" = ")[2],
                    expression,
                    x,
                    lambda lines: search.explore("; ".join(lines), dy=dy),
                )
            except StudentError:
                continue
            if own.places.get("r", dy).shape == x.shape or "#r" in own.places:
                return own
    return None
