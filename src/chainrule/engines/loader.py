"""Loading of engines by name. An engine is imported on first use."""

import os
from functools import cache

from chainrule.core.lazy_methods import function_at
from chainrule.engines import fallback
from chainrule.engines.protocol import Engine
from chainrule.errors import OptionError, unknown_name

# Name → a function without arguments that returns the engine, or the reason why it cannot be used. Other packages may
# add engines (`extensions`).
ENGINES = {
    "compiled": "chainrule.engines.native.engine.create",
    "numpy": "chainrule.engines.fallback.numpy_engine",
    "jax": "chainrule.engines.jax.engine.JaxEngine",
    "reference": "chainrule.engines.interpreter.reference_engine",
}
NAMES = tuple(ENGINES)
DEFAULT = "compiled"
ENGINE_VARIABLE = "CHAINRULE_ENGINE"


def find(name: str | None = None, *, required: bool = True) -> Engine:
    """Return the engine `name`. If it is None, use the value of CHAINRULE_ENGINE or else the default engine.

    If the engine cannot be used, print the reason to stderr in one line and fall back to the NumPy engine.

    required   whether to raise an error instead of falling back if `name` cannot be used
    Errors     OptionError if the name is unknown or a required engine cannot be used
    """
    requested = name or os.environ.get(ENGINE_VARIABLE) or DEFAULT
    if requested not in NAMES and requested not in _added_names():
        error = unknown_name("engine", requested, known_names())
        raise error if name else OptionError(f"{ENGINE_VARIABLE}: {error}")
    engine = _load(requested)
    if not isinstance(engine, str):
        return engine
    if name and required:
        raise OptionError(f"the {name} engine cannot be used here: {engine}; known: {', '.join(known_names())}")
    return fallback.fall_back(f"the {requested} engine cannot be used here ({engine})")


def known_names() -> tuple[str, ...]:
    """Return the names of all engines: those of chainrule, and those that other installed packages declare."""
    return (*NAMES, *_added_names())


def _added_names() -> tuple[str, ...]:
    from chainrule._io import extensions

    return tuple(name for name in extensions.declared(extensions.ENGINES) if name not in NAMES)


@cache
def _load(name: str) -> "Engine | str":
    """Return the engine, or the reason why it cannot be used."""
    try:
        return _create(name)
    except OptionError:  # invalid value of an environment variable
        raise
    except Exception as error:  # anything may be raised by a broken installation or on an unusual processor
        from chainrule._io.extras import install_command

        hint = f"; {install_command('jax')}" if name == "jax" else ""
        return f"{fallback.first_line(error)}{hint}"


def _create(name: str) -> "Engine | str":
    """Import and create an engine, or return the reason why it cannot be used."""
    if name in ENGINES:
        return function_at(ENGINES[name])()
    from chainrule._io import extensions

    return extensions.load(extensions.ENGINES, name)()
