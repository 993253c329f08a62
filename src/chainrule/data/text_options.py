"""Options that can be written as text, on the command line and in files."""

from typing import Any, ClassVar, Self

from chainrule.errors import OptionError, quoted, unknown_name


class TextOptions:
    """Options of a dataclass that can be written as text, such as "shift=2,flip", or "none" if all have no effect.

    A class whose options have other names or forms defines `parse` and ``__str__``.
    """

    KIND: ClassVar[str]  # name of the options in messages
    EXAMPLE: ClassVar[str]

    def __str__(self) -> str:
        """Return the options in the format of `parse`: the names of options that are True, and other values.

        Values of 0 are left out if 0 is the default.
        """
        if not self:
            return "none"
        parts = list[str]()
        for name, value in vars(self).items():
            if value is True:
                parts.append(name)
            elif value or getattr(type(self), name):
                parts.append(f"{name}={str(value).removesuffix('.0')}")
        return ",".join(parts)

    @classmethod
    def choose(cls, option: object) -> Self | None:
        """Return options from themselves, from text that `parse` accepts, or from None; None if they have no effect.

        Errors   OptionError for any other value
        """
        if option is None or (isinstance(option, str) and option.strip() in ("", "none")):
            return None
        options = cls.parse(option) if isinstance(option, str) else option
        if isinstance(options, cls):
            return options or None
        raise OptionError(f"{cls.KIND} {quoted(option)}: expected {cls.__name__}, or text such as {cls.EXAMPLE!r}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse options on the command line: "flip,shift=1", or "none"; OptionError for invalid ones."""
        options = dict[str, Any]()
        defaults = vars(cls())
        for part in (part.strip() for part in text.split(",")):
            name, equals, value = part.partition("=")
            if part in ("", "none"):
                continue
            if name not in defaults:
                raise unknown_name(cls.KIND, name, [*defaults])
            if name in options:
                raise OptionError(f"{cls.KIND} {text!r} names {name} twice")
            options[name] = cls._value(name, value, defaults[name]) if equals else True
        return cls(**options)

    @classmethod
    def _value(cls, name: str, text: str, default: Any) -> Any:
        if isinstance(default, bool):
            return text
        if default is None:
            raise OptionError(f"{cls.KIND} {name}: custom code cannot be passed as text, only in Python")
        try:
            return type(default)(text)
        except ValueError:
            expected = "a whole number" if isinstance(default, int) else "a number"
            raise OptionError(f"{cls.KIND} {name}: expected {expected}, found {text or 'nothing'!r}") from None
