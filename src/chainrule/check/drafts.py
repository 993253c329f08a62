"""Draft contracts of a learner's code as one layer: names say what to try, and `read` confirms it by numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations, product
from typing import Any

import numpy as np

from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.known_interfaces import DATA, SIZES, Case, ClassInterface
from chainrule.check.library_functions import LibraryLayer
from chainrule.custom.calls import Array
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
    argument_values,
    output_lines,
    upstream_call,
)
from chainrule.custom.signatures import CallSignature, dotted
from chainrule.errors import StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout

SAMPLES = 3
TOLERANCE = 1e-4  # relative; sufficient for float32 code
MAX_MAKERS, MAX_PUTS = 24, 12  # numbers of constructor calls and of places of parameters that are tried
LAYOUTS = {  # axes of x that are tried, by number of axes of a batch; batches before single samples
    2: ("", "D,N", "D", "D,1", "1,D"),
    3: ("", "N,W,C", "C,W"),
    4: ("", "N,H,W,C", "N,H,W", "C,H,W", "H,W,C", "H,W"),
}
KERNELS = ("K,L,C,O", "O,K,L,C", "C,O,K,L", "C,K,L,O")  # axes of kernels that functions take
TRAINING = {**dict.fromkeys(NAMES.training, "train"), "mode": "mode"}
MODAL = (BatchNorm2D, Dropout)


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
                    for text, y in self._outputs("; ".join([*axes, *creation, *puts]), places):
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
                if word == "O" and "w" not in self.intended.parameters:  # as many features as in the input
                    word = "C"
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
        options = list[list[tuple[list[str], str, bool]]]()
        for name, shape in parameters.items():
            by_name = {dotted(place): place for place in held}
            usual = [by_name[key] for key in arrays_named(name, by_name)]
            if name == "gamma":
                usual += [by_name[key] for key in arrays_named("w", by_name)]
            fitting = list[tuple[list[str], str, bool]]()
            for place in dict.fromkeys([*usual, *held]):
                named = place in usual
                for axes in _axes(shape, held[place].shape):
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

    def _outputs(self, text: str, places: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """Yield texts with the line of y, and y."""
        needs_put = self.code.make is not None and self.intended.parameters and not _held(places)
        flags = self._flags(places)
        for call in self.code.forward:
            for layouts, line in self._forward_lines(call):
                parts = [*layouts, text, *flags]
                if needs_put:  # the parameters are made in the first call
                    warm = "; ".join(filter(None, [*parts, line.removeprefix("q = ")]))
                    try:
                        lazy = self.explore(warm)
                    except StudentError as error:
                        self.failure = self.failure or error
                        continue
                    for puts, _ in self._puts(lazy):
                        yield from self._output("; ".join([warm, *puts]), line)
                    continue
                yield from self._output("; ".join(filter(None, parts)), line)

    def _output(self, text: str, line: str) -> Iterator[tuple[str, Array]]:
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

    def _forward_lines(self, call: CallSignature) -> Iterator[tuple[list[str], str]]:
        """Yield layouts of parameters that are arguments, and the call of forward."""
        values = self.argument_values(call, ["x"], is_backward=False)
        if values is None:
            return
        for axes in self._axes_of_arguments():
            context = ["ctx = Context()"] * ("ctx" in values.values())
            for argument in [argument for argument, value in values.items() if value == "config"]:
                context += [f"config = {self._entries_of(argument)}", "config['mode'] = mode"]
            yield [*axes, *context], f"q = {call.call(values)}"

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
        if not isinstance(self.case.layer, MODAL) or self.code.make is None:
            return []
        if isinstance(self.case.layer, BatchNorm2D) and not any(re.search("running|moving", place) for place in places):
            return []  # without running statistics, there is no test mode
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

    def gradients(self, text: str, expected: Mapping[str, Array], dy: Array) -> tuple[str, int]:
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
        """Return key and place of the entries of returned dictionaries."""
        discovered = list[tuple[str, str]]()
        for place in places:
            match = re.match(r"r(?:\[1\])?\['(\w+)'\]$", place)
            if match is not None:
                discovered.append((match[1], place))
        return discovered

    def _places_by_name(self, puts: Mapping[str, str], places: Mapping[str, Array]) -> dict[str, list[str]]:
        """Return the places in the object that have the name of each parameter's gradient."""
        by_dots = {
            dotted(place): place
            for place, value in places.items()
            if place.startswith("self") and value.dtype.kind in ("fciu" if value.ndim else "fc")
        }
        by_array = owners(by_dots, by_dots)
        discovered = dict[str, list[str]]()
        for name, place in puts.items():
            gradient = by_array.get(dotted(place))
            if gradient is not None:
                discovered[name] = [by_dots[gradient]]
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


def _axes(shape: tuple[int, ...], held: tuple[int, ...]) -> Iterator[str]:
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
