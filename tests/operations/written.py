"""Equations as docstrings write them, read and computed: y = ½ x (1 + tanh a)        a = √(2/π) x³.

A small reader of its own, which knows nothing of the library's.
"""

import inspect
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import special

from chainrule.operations import reference

FUNCTIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "arctan": np.arctan,
    "erfc": special.erfc,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "max": max,
    "min": min,
    "sgn": np.sign,
    "pi": np.pi,
    "abs": abs,
    "round": round,
}
SIGNS = {
    "e⁻ˣ": "exp(−x)",
    "eˣ": "exp(x)",
    "e^(": "exp(",
    "½": "0.5",
    "²": "**2",
    "³": "**3",
    "ᵗ": "**t",
    "·": "*",
    "−": "-",
    "π": "pi",
    "≤": "<=",
    "≥": ">=",
}


def docstring(operation: str) -> list[str]:
    """Return the lines of an operation's docstring."""
    return (inspect.getdoc(getattr(reference, operation)) or "").splitlines()


def computed(lines: list[str], known: Mapping[str, Any], *, nesterov: bool = False) -> dict[str, list[Any]]:
    """Return the value of every form that is written of what is assigned: ← in order, = wherever it is needed.

    A form in letters that nobody defines, such as σ(x), is left out.
    """
    pieces = [piece for line in lines for piece in _pieces(line)]
    pieces = [piece for piece in pieces if ("Nesterov" in piece) == nesterov or not re.search("p ←.*v", piece)]
    env = {_python(name): value for name, value in known.items()}
    parted = [(_python(name), sign, right.split(" = ")) for name, sign, right in map(_assigned, pieces)]
    defined = {name: forms[-1] for name, sign, forms in parted if sign == "="}
    result: dict[str, list[Any]] = {}
    for name, sign, forms in parted:
        values = [value for form in forms if (value := _value(form, env, defined)) is not None]
        result.setdefault(name, []).extend(values)
        env |= {name: values[-1]} if sign == "←" else {}
    return result


def _assigned(piece: str) -> tuple[str, str, str]:
    """Return the name, the sign and the right-hand side of an equation."""
    name, sign, right = re.split(" ([=←]) ", piece.removeprefix("and Nesterov "), maxsplit=1)
    return name, sign, right


def _pieces(line: str) -> Iterator[str]:
    """Yield the equations of a line."""
    for part in re.split(r"\s{2,}|: |, (?=and )", line.strip()):
        for piece in re.split(r", (?!else |[^()]*\))", part.rstrip(",")):
            if re.search(r"^(and Nesterov )?[\w'\u0302]+ [=←] ", piece):
                yield piece


def _value(form: str, env: Mapping[str, Any], defined: Mapping[str, str]) -> Any:
    """Return the value of a right-hand side, those of the letters in it worked out before."""
    value, where, rest = form.partition(" where ")
    if where:
        condition, _, other = rest.partition(", else ")
        holds = eval(_python(condition), {**FUNCTIONS, **env})
        return _value(value if holds else other, env, defined)
    text = _python(form)
    inner = dict(env)
    for name in set(re.findall(r"[^\W\d]\w*", text)) - {*FUNCTIONS, *env}:
        if name not in defined:
            return None
        result = _value(defined[name], env, {other: of for other, of in defined.items() if other != name})
        if result is None:
            return None
        inner[name] = result
    return eval(text, {**FUNCTIONS, **inner})


def _python(text: str) -> str:
    """Return an expression in Python."""
    for sign, python in SIGNS.items():
        text = text.replace(sign, python)
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text)
    text = re.sub(r"(\w)\u0302", r"\1hat", unicodedata.normalize("NFKC", text)).replace("a'", "da")
    text = re.sub(r"√(\w+)", r"sqrt(\1)", text).replace("√(", "sqrt(").replace("−", "-")
    text = re.sub(r"tanh(\*\*2)? (\w+)", r"tanh(\2)\1", text)
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", text)
    return re.sub(rf"\b(?!(?:{'|'.join(FUNCTIONS)})\b)([^\W\d]\w*)\(", r"\1*(", text)
