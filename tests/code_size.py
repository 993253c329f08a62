"""How much code each package has, beside its limit, and how dense it is: python tests/code_size.py (make lint).

Tokens are names, numbers, operators and strings. Comments, docstrings, layout and generated files do not count. The
other measures are constructs per 1,000 tokens of Python. A statement is dense if its expressions hold three or more
comprehensions, conditional expressions, walrus operators, lambdas, or chains of `and` or `or`.

`PROJECT_LIMITS` are limits of the whole project: functions that are hard to call or to read, and lines without types.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMITS = Path(__file__).with_name("limits.toml")
FOLDERS = ("src/chainrule", "benchmarks", "experiments", "tests")
LANGUAGES = {".py": "py", ".js": "js", ".mjs": "js", ".c": "c", ".h": "c", ".css": "css"}
DIVIDED = ("engines", "web")  # packages whose subpackages have limits of their own
DENSITIES = ("comprehensions", "nested", "conditionals", "walrus", "dense")  # per 1,000 tokens
LEAST_DENSE = 3  # constructs in the expressions of one statement
MOST_POSITIONAL = 7  # parameters of a function that can be passed by position
MOST_LINES = 60  # of a function, without its docstring
PROJECT_LIMITS = {  # of all Python but that of the tests; lower them when a value becomes smaller
    "functions with more than seven positional parameters": 2,
    "functions over 60 lines": 0,
    "lines with Any": 1_174,
}
KERNELS = "src/chainrule/engines/native/kernels"  # their functions are called by position

LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
CONSTRUCTS = (*COMPREHENSIONS, ast.IfExp, ast.NamedExpr, ast.Lambda, ast.BoolOp)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
ANY = re.compile(r"\bAny\b")
TOKEN = re.compile(r"[A-Za-z_$][\w$-]*|\d[\w.]*|\"[^\"\n]*\"|'[^'\n]*'|`[^`]*`|[^\s\w]")


def code_tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of Python that count; an f-string is one token, as before Python 3.12."""
    starts_statement = True
    depth = 0  # of f-strings within f-strings
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_END":
            depth -= 1
        elif depth == 0 and token.type not in LAYOUT:
            is_docstring = starts_statement and token.type == tokenize.STRING
            if not is_docstring:
                starts_statement = False
                yield token
        if name == "FSTRING_START":
            depth += 1
        elif token.type == tokenize.NEWLINE:
            starts_statement = True


def count_python(text: str) -> Counter[str]:
    """Return the number of tokens of Python, and of each construct in `DENSITIES`."""
    counts = Counter(tokens=sum(1 for _ in code_tokens(text)))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, COMPREHENSIONS):
            counts["comprehensions"] += 1
            counts["nested"] += _is_nested(node)
        elif isinstance(node, ast.IfExp):
            counts["conditionals"] += 1
        elif isinstance(node, ast.NamedExpr):
            counts["walrus"] += 1
        elif isinstance(node, ast.stmt) and not isinstance(node, DEFINITIONS):
            counts["dense"] += _is_dense(node)
    return counts


def _is_nested(comprehension: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> bool:
    """Return whether a comprehension has several loops or contains another comprehension."""
    if len(comprehension.generators) > 1:
        return True
    inner = sum(isinstance(node, COMPREHENSIONS) for node in ast.walk(comprehension))
    return inner > 1  # the walk begins with the comprehension itself


def _is_dense(statement: ast.stmt) -> bool:
    """Return whether the expressions of a statement, without the statements inside it, hold many constructs."""
    constructs = 0
    nodes: list[ast.AST] = [statement]
    while nodes:
        for child in ast.iter_child_nodes(nodes.pop()):
            if not isinstance(child, ast.stmt):
                constructs += isinstance(child, CONSTRUCTS)
                nodes.append(child)
    return constructs >= LEAST_DENSE


def count_project(text: str, *, is_kernel: bool = False) -> Counter[str]:
    """Return the numbers to which `PROJECT_LIMITS` apply, of one file.

    is_kernel   whether functions may have more positional parameters
    """
    parameters, lines, any_type = PROJECT_LIMITS
    counts = Counter({any_type: sum(bool(ANY.search(line)) for line in text.splitlines())})
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        if names[:1] in (["self"], ["cls"]):
            del names[0]
        counts[parameters] += len(names) > MOST_POSITIONAL and not is_kernel
        first, *others = node.body
        start = first.lineno
        if ast.get_docstring(node) is not None and others:
            start = others[0].lineno
        signature_lines = first.lineno - node.lineno
        counts[lines] += signature_lines + (node.end_lineno or start) - start + 1 > MOST_LINES
    return counts


def measure_project(root: Path) -> Counter[str]:
    """Return the numbers to which `PROJECT_LIMITS` apply."""
    totals = Counter[str]()
    for folder in FOLDERS:
        if folder == "tests":
            continue
        for file in sorted((root / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if "Generated by" not in text[:200]:
                totals += count_project(text, is_kernel=file.is_relative_to(root / KERNELS))
    return totals


def count_other(text: str) -> Counter[str]:
    """Return the approximate number of tokens of JavaScript, C or CSS."""
    return Counter(tokens=len(TOKEN.findall(COMMENT.sub(" ", text))))


def package_of(path: Path) -> str:
    """Return the package to which a file belongs, by its path in the repository, with its language unless Python."""
    folders = path.parts[:-1]
    if folders[0] != "src":
        package = folders[0]
    elif len(folders) == 2:
        package = "chainrule"
    elif folders[2] in DIVIDED:
        package = "/".join(folders[2:4])
    else:
        package = folders[2]
    language = LANGUAGES[path.suffix]
    return package if language == "py" else f"{package} ({language})"


def measure(root: Path) -> dict[str, dict[str, float]]:
    """Return the number of tokens of each package and, for Python, the densities."""
    totals: dict[str, Counter[str]] = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in LANGUAGES:
                continue
            text = file.read_text(encoding="utf-8")
            if "Generated by" in text[:200]:
                continue
            counts = count_python(text) if file.suffix == ".py" else count_other(text)
            package = package_of(file.relative_to(root))
            totals.setdefault(package, Counter()).update(counts)
    return {package: _values(counts, is_python="(" not in package) for package, counts in totals.items()}


def _values(counts: Counter[str], *, is_python: bool) -> dict[str, float]:
    values: dict[str, float] = {"tokens": counts["tokens"]}
    if is_python:
        for measure in DENSITIES:
            values[measure] = 1000 * counts[measure] / max(counts["tokens"], 1)
    return values


def problems(measured: Mapping[str, Mapping[str, float]], limits: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield a sentence for each value above its limit, and for each package that is not in both tables."""
    for package in sorted({*measured} - {*limits}):
        yield f"{package}: has no limits in {LIMITS.name}"
    for package in sorted({*limits} - {*measured}):
        yield f"{package}: has limits in {LIMITS.name}, but no code"
    for package in sorted({*limits} & {*measured}):
        for measure, limit in limits[package].items():
            value = measured[package][measure]
            if value > limit:
                unit = "" if measure == "tokens" else " per 1,000 tokens"
                yield f"{package}: {_shown(measure, value)} {measure}{unit}, limit {_shown(measure, limit)}"


def _shown(measure: str, value: float) -> str:
    return f"{value:,.0f}" if measure == "tokens" else f"{value:.3f}"


def table(measured: Mapping[str, Mapping[str, float]], limits: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines of a table of all values, each with its limit."""
    columns = ("tokens", *DENSITIES)
    yield f"{'value / limit':20}" + "".join(f"{column:>20}" for column in columns)
    for package in sorted(measured):
        line = f"{package:20}"
        for column, value in measured[package].items():
            limit = limits.get(package, {}).get(column)
            beside = "–" if limit is None else _shown(column, limit)
            line += f"{_shown(column, value) + ' / ' + beside:>20}"
        yield line


def main() -> int:
    """Print the table and what exceeds its limit; return the exit status."""
    limits = tomllib.loads(LIMITS.read_text(encoding="utf-8"))["packages"]
    measured = measure(ROOT)
    for line in table(measured, limits):
        print(line)
    exceeded = [*problems(measured, limits)]
    project = measure_project(ROOT)
    for name, limit in PROJECT_LIMITS.items():
        print(f"{name}: {project[name]:,} / {limit:,}")
        if project[name] > limit:
            exceeded.append(f"{name}: {project[name]:,}, limit {limit:,}")
    for problem in exceeded:
        print(f"code size: {problem}", file=sys.stderr)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
