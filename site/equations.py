"""Sphinx extension: render equations as MathML with KaTeX, in one Node process for the whole build."""

import html
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

SCRIPT = Path(__file__).with_name("equations.mjs")
MATHML = re.compile(r"<math.*</math>", re.S)
SPAN = re.compile(r"^<span[^>]*>|</span>$")
logger = logging.getLogger(__name__)


class Renderer:
    """A Node process that converts TeX to MathML, one equation at a time."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(["node", str(SCRIPT)], stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def render(self, tex: str, display: bool) -> str:
        """Return a <math> element; raise ValueError if KaTeX cannot parse the TeX."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the node process has ended"}')
        if "error" in answer:
            raise ValueError(answer["error"])
        element = MATHML.search(answer["mathml"])
        assert element
        return element[0]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@cache
def _renderer() -> Renderer:
    return Renderer()


@cache
def mathml(tex: str, display: bool) -> str:
    """Return an equation as a <math> element."""
    return _renderer().render(tex, display)


def _element(node: nodes.math | nodes.math_block, display: bool) -> str:
    """Return the <math> element of a node; if rendering fails, log a warning and return ""."""
    try:
        return mathml(node.astext(), display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return ""


def _is_heading(node: nodes.math) -> bool:
    """Return whether an equation is the only content of a cell in the head of a table."""
    cell = node.parent.parent
    is_only = len(node.parent.children) == 1 and isinstance(cell, nodes.entry)
    return is_only and isinstance(cell.parent.parent, nodes.thead)


def _inline(translator: Any, node: nodes.math) -> None:
    element = _element(node, False)
    if _is_heading(node):  # equations are no text for axe, which requires text there
        element = element.replace("<math ", f'<math aria-label="{html.escape(node.astext())}" ', 1)
    translator.body.append(element)
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="equation" tabindex="0">{_element(node, True)}</div>\n')
    raise nodes.SkipNode


def _close_renderer(app: Sphinx, exception: Exception | None) -> None:
    if _renderer.cache_info().currsize:
        _renderer().close()
        _renderer.cache_clear()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the math renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("build-finished", _close_renderer)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
