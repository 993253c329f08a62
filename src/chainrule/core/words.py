"""Decorator and metaclass for options: checks of their values, and words of other libraries.

`OPTIONS` and `NAMES` are words of other libraries that are accepted, because they mean the same. Errors explain those
of `HINTS` and `ATTRIBUTES`. Values are checked by the annotations of the options; see `core.options`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chainrule.core.options import annotations, checked, is_supported
from chainrule.errors import OptionError

P = ParamSpec("P")
R = TypeVar("R")

OPTIONS = {  # option of another library → options of this library; the one that the called function has is used
    "kernel_size": "kernel window",
    "strides": "stride",
    "pool_size": "window",
    "out_channels": "filters",
    "units": "features",
    "out_features": "features",
    "use_bias": "bias",
    "kernel_initializer": "initializer",
    "dilation_rate": "dilation",
    "eps": "epsilon",
    "negative_slope": "slope",
    "alpha": "slope",
    "p": "rate",
    "lr": "learning_rate",
    "verbose": "progress",
    "nb_epoch": "epochs",
    "lr_schedule": "schedule",
    "clipnorm": "clip_norm",
    "label_smooth": "label_smoothing",
    "num_workers": "readers",
}
NAMES = {  # name of another library, without case and separators → name of this library
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "bce": "binary_cross_entropy",
    "crossentropy": "categorical_cross_entropy",
    "categoricalcrossentropy": "categorical_cross_entropy",
    "sparsecategoricalcrossentropy": "categorical_cross_entropy",
    "binarycrossentropy": "binary_cross_entropy",
    "swish": "SiLU",
}
HINTS = {  # option of another library → what to do instead
    "shuffle": "the samples of every epoch are shuffled, as determined by seed=",
    "metrics": "the metric follows from the task; model.evaluate(x, y).figures has all of them",
    "device": "engine='jax' computes on an accelerator",
    "compile": "pass optimizer= and loss= to fit",
    "jit": "every step is compiled by default; engine='numpy' does without",
    "jit_compile": "every step is compiled by default; engine='numpy' does without",
    "in_channels": "the number of input channels follows from the input shape",
    "in_features": "the number of inputs follows from the input shape",
    "data_format": "axes are (N, C, H, W)",
    "padding_mode": "padding consists of zeros",
    "input_dim": "pass input_shape to the model",
    "input_shape": "pass input_shape to the model",
    "optimizer": "pass optimizer= and loss= to fit",
    "batch_size": "the batch size is chosen automatically",
    "return_dict": "the figures of the result are a dictionary",
    "test_data": "call model.evaluate(x, y) after training",
    "activation": "add the activation as a layer, such as ReLU()",
    "weight_decay": "weight decay is an option of the optimizer, such as AdamW(weight_decay=0.01)",
    "momentum": "momentum is an option of the optimizer, such as Momentum(momentum=0.9)",
    "decay": "pass schedule=, such as 'cosine'",
    "early_stopping": "pass patience=, a number of epochs",
    "validation_batch_size": "validation chooses its batch size itself",
    "initial_epoch": "pass run=Run(folder, resume=True) to continue a training",
    "name": "names follow from the kind and number of the layer; in a Graph, pass name= when the layer is applied",
}
ATTRIBUTES = {  # attribute of another library's module or models → what to use instead
    "Linear": "Dense",
    "BatchNormalization": "BatchNorm2D or BatchNorm1D",
    "Activation": "a layer such as ReLU()",
    "load_model": "load",
    "compile": "fit(…, optimizer=…, loss=…)",
    "to": "engine='jax' when the model is created",
    "cuda": "engine='jax' when the model is created",
    "train": "fit; predict and evaluate switch dropout off by themselves",
    "eval": "predict and evaluate, which switch dropout off by themselves",
    "load_state_dict": "set_weights",
    "save_weights": "save, or get_weights",
    "load_weights": "chainrule.load, or set_weights",
    "predict_classes": "predict(x).argmax(1)",
    "forward": "predict",
    "backward": "gradients",
    "train_on_batch": "train_step",
    "test_on_batch": "evaluate",
    "EarlyStopping": "fit(…, patience=…)",
    "ModelCheckpoint": "fit(…, run=Run(…))",
    "CrossEntropyLoss": "fit(…, loss='categorical_cross_entropy')",
    "nn": "the layers in chainrule itself, such as chainrule.Conv2D",
}
IGNORED = ("verbose",)  # options without effect on functions that print nothing


def attribute_error(owner: str, name: str, attributes: Iterable[str], instance: Any) -> AttributeError:
    """Return the error for an unknown attribute, with a hint if another library has it or its name is similar.

    owner        name of the module or class
    attributes   names of the known attributes
    instance     the module or object
    """
    official = {_plain(attribute): attribute for attribute in attributes}
    close = [official[match] for match in get_close_matches(_plain(name), official, 1, 0.75)]
    hint = f"; use {ATTRIBUTES[name]}" if name in ATTRIBUTES else "".join(f"; did you mean {match}?" for match in close)
    return AttributeError(f"{owner} has no attribute {name!r}{hint}", name=name, obj=instance)


def match_name(name: Any, names: Iterable[str]) -> str | None:
    """Return the name that equals another name except for case and separators, or is its synonym; None for none."""
    if not isinstance(name, str):
        return None
    official = {_plain(candidate): candidate for candidate in names}
    plain = _plain(name)
    return official.get(plain) or official.get(_plain(NAMES.get(plain, "")))


def translated(options: Mapping[str, Any], parameters: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return options with the words of this library.

    parameters   parameters of the called function, by name
    what         name of the function, for messages

    Errors   OptionError for an unknown option, with a hint
    """
    result: dict[str, Any] = {}
    for option, value in options.items():
        synonyms = [option, *OPTIONS.get(option, "").split()]
        parameter = next((name for name in synonyms if name in parameters), None)
        if parameter is None and option in IGNORED:
            continue
        if parameter is None:
            raise _unknown_option(option, [name for name in parameters if name != "self"], what)
        if parameter in result or (parameter != option and parameter in options):
            raise OptionError(f"{what}: {option} and {parameter} mean the same; pass only {parameter}")
        result[parameter] = bool(value) if option == "verbose" else value
    return result


def checked_options(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that accepts the common words for its options, explains unknown options, and checks values."""
    return checked_options_with({})(function)


def checked_options_with(further: Mapping[str, Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator like `checked_options` for a function with ``**options``.

    further   annotations of these options, by name; empty: the function checks them itself
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        named = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
        is_open = len(named) < len(signature.parameters) and not further
        others = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in further.items()
            if name not in signature.parameters
        ]
        signature = signature if is_open else signature.replace(parameters=[*named, *others])

        @cache
        def types() -> dict[str, Any]:  # when called, because annotations may name what is defined later
            return annotations(function) | {name: kind for name, kind in further.items() if is_supported(kind)}

        positional = [entry.name for entry in named if entry.kind is entry.POSITIONAL_OR_KEYWORD]
        owner, _, name = function.__qualname__.rpartition(".")
        what = owner.rpartition(".")[2] if name == "__init__" else name

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            is_known = is_open or kwargs.keys() <= signature.parameters.keys()
            options: dict[str, Any] = {**kwargs} if is_known else translated(kwargs, signature.parameters, what)
            kinds = types()
            values = [
                checked(what, name, value, kinds[name]) if name in kinds else value
                for name, value in zip(positional, args, strict=False)
            ]
            for name in options.keys() & kinds.keys():
                options[name] = checked(what, name, options[name], kinds[name])
            return function(*values, *args[len(positional) :], **options)  # pyright: ignore[reportCallIssue]

        call.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        return call

    return decorate


class CheckedOptions(type):
    """Metaclass of classes with options, whose values are checked, and which may be passed by their common words."""

    if not TYPE_CHECKING:  # type checkers read the signature of each class

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            """Create an object. Unknown options are translated or explained, and the values of others are checked."""
            parameters = cls.__signature__.parameters
            is_open = any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())
            if not is_open and not kwargs.keys() <= parameters.keys():
                kwargs = translated(kwargs, parameters, cls.__name__)
            positional = [entry for entry in parameters.values() if entry.kind is not entry.KEYWORD_ONLY]
            if len(args) > len(positional) and not any(entry.kind is entry.VAR_POSITIONAL for entry in positional):
                names = ", ".join(entry.name for entry in positional) or "no values"
                others = ", ".join(entry.name for entry in parameters.values() if entry.kind is entry.KEYWORD_ONLY)
                named = f"; pass {others} by name" if others else ""
                hint = _argument_hint(cls.__name__, args)
                raise OptionError(f"{cls.__name__}: {len(args)} values without names; expected {names}{named}{hint}")
            try:
                bound = cls.__signature__.bind(*args, **kwargs)
            except TypeError as error:
                raise OptionError(f"{cls.__name__}: {error}") from None
            types = annotations(cls.__init__)
            for name in bound.arguments.keys() & types.keys():
                bound.arguments[name] = checked(cls.__name__, name, bound.arguments[name], types[name])
            return super().__call__(*bound.args, **bound.kwargs)

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the class, for `help` and editors."""
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=[*signature.parameters.values()][1:])


def _argument_hint(name: str, args: tuple[Any, ...]) -> str:
    """Return a hint for the argument order of PyTorch; "" if the arguments do not look like it."""
    if not name.startswith("Conv") or len(args) < 3:
        return ""
    return f"; input channels follow from the input shape: {name}({args[1]!r}, {args[2]!r})"


def _unknown_option(option: str, options: list[str], what: str) -> OptionError:
    if option in HINTS:
        return OptionError(f"{what} has no option {option}: {HINTS[option]}")
    close = get_close_matches(option, options, 1)
    if close:
        return OptionError(f"{what} has no option {option}; did you mean {close[0]}?")
    return OptionError(f"{what} has no option {option}; known: {', '.join(options)}")


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
