"""Classes whose options are numbers with bounds, and the text by which they are chosen: optimizers and schedules."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from chainrule.core.options import CUSTOM_SUFFIX
from chainrule.core.words import match_name
from chainrule.errors import OptionError, quoted, unknown_name
from chainrule.training.options import MOST_EPOCHS, Bounds

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def named_numbers(option: str, text: str, form: str) -> list[tuple[str, float]]:
    """Parse text from the command line, such as "cat=2,dog=0.5", to pairs of a name and a number.

    form     format of a part, for the OptionError if the text has another
    """
    pairs = list[tuple[str, float]]()
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = None
        if name == "" or value is None:
            raise OptionError(f"{option} {quoted(text)}: expected {form}, found {quoted(part.strip())}")
        pairs.append((name.strip(), value))
    return pairs


def options_in(option: str, text: str, form: str) -> dict[str, float]:
    """Parse text such as "start=0.5,end=1" to options by name. Whole numbers become integers. See `named_numbers`."""
    options = dict[str, float]()
    for name, value in named_numbers(option, text, form):
        if value.is_integer():
            value = int(value)
        options[name] = value
    return options


BOUNDS = {  # of the options of optimizers and schedules
    **dict.fromkeys(("learning_rate", "epsilon"), Bounds(above=0)),
    **dict.fromkeys(("momentum", "alpha", "beta1", "beta2"), Bounds(low=0, below=1)),
    "weight_decay": Bounds(low=0),
    **dict.fromkeys(("patience", "reductions"), Bounds(low=0, high=MOST_EPOCHS)),
    **dict.fromkeys(("gamma", "share"), Bounds(above=0, high=1.0)),
    **dict.fromkeys(("warm", "peak"), Bounds(above=0, below=1)),
    **dict.fromkeys(("start", "end"), Bounds(low=0, high=1.0)),
    **dict.fromkeys(("epochs", "step", "divisor", "final"), Bounds(low=1)),
}


def check_bounds(options: "DataclassInstance") -> None:
    """Raise OptionError if a number among the options of a dataclass is not within its `BOUNDS`."""
    for entry in fields(options):
        if entry.name in BOUNDS:
            BOUNDS[entry.name].check(f"{type(options).__name__} {entry.name}", getattr(options, entry.name))


@dataclass(frozen=True)
class NamedOptions:
    """Base class of optimizers and schedules, whose options are within `BOUNDS`.

    kinds    classes by the names that are used on the command line and in files
    custom   class for custom code: its method ``of`` wraps the code, and its option ``label`` is the code's name
    """

    kinds: ClassVar[Mapping[str, type[Self]]]
    custom: ClassVar[Any]

    def __post_init__(self) -> None:
        """Check the ranges of all options."""
        check_bounds(self)

    @property
    def name(self) -> str:
        """Name used on the command line and in files."""
        return next(name for name, kind in self.kinds.items() if kind is type(self))

    def to_config(self) -> dict[str, object]:
        """Return the name and the options as JSON values, for config.json."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def choose(cls, option: object) -> Self:
        """Return an object for a name, a config from `to_config`, or custom code; such an object is returned unchanged.

        "momentum", {"name": "momentum", "learning_rate": 0.1} and Momentum(0.1), for example, are all accepted.

        Errors   OptionError for an unknown name or option
        """
        if type(option) in (*cls.kinds.values(), cls.custom):
            return cast("Self", option)
        if not isinstance(option, str | dict) and option is not None:
            return cls.custom.of(option)
        what = cls.__name__.lower()
        config = dict[str, object]()
        name = cast("object", option)
        if isinstance(option, dict):
            config |= cast("dict[str, object]", option)
            name = config.pop("name", None)
        if isinstance(name, str) and name.endswith(CUSTOM_SUFFIX):  # a file contains only the name of custom code
            return cls.custom(label=name.removesuffix(CUSTOM_SUFFIX), **config)
        official = match_name(name, cls.kinds)
        if official is None:
            raise unknown_name(what, name, [*cls.kinds])
        kind = cls.kinds[official]
        supported = [entry.name for entry in fields(kind)]
        for key in config:
            if key not in supported:
                shown = ", ".join(supported) or "none"
                raise OptionError(f"{what} {official} has no option {key}; known: {shown}")
        return kind(**config)
