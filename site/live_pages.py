"""The directive `{live-page} NAME`: chainrule's own page of a network, inside a page of the site.

NAME is a function in one of the files of `live_page_modules`. It returns a model, images (N, C, H, W), and their labels
(N,) or targets (N, K). The content of the directive is the place where the page opens, such as

    #/network/backward/conv1.dw[0,0,1,1]?sample=0
"""

import hashlib
import html
import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

import chainrule
from chainrule.data import Normalization
from chainrule.models.model import Model
from chainrule.runs.jobs import DataChoice
from chainrule.training import tasks
from chainrule.training.recipe import Recipe
from chainrule.web import single_file
from chainrule.web.subjects import PageSubject

FOLDER = "_static/live"
logger = logging.getLogger(__name__)


class LivePageNode(nodes.General, nodes.Element):
    """The frame: attributes `name`, `place`, `height`."""


class LivePage(SphinxDirective):
    """The directive; see the head of this file."""

    required_arguments = 1
    has_content = True
    option_spec = {"height": directives.positive_int}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Write the network's page if this is its first use, and return the frame."""
        name = self.arguments[0]
        place = "".join(line.strip() for line in self.content)
        _pages_of(self.env).setdefault(self.env.docname, set()).add(name)
        target = Path(self.env.app.outdir, FOLDER, f"{name}.html")
        if not target.is_file():
            logger.info("live page %s", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                single_file.write(target, subject_of(name, _find(self.env, name)(), Path(folder)))
        return [LivePageNode(name=name, place=place, height=self.options.get("height", 640))]


def subject_of(name: str, made: tuple[Model, np.ndarray, np.ndarray], folder: Path) -> PageSubject:
    """Return what the page is made of; the images are written into `folder`.

    The page takes images as bytes. A model that has no normalization of its own is given the one that turns the bytes
    into the images again.
    """
    model, images, answers = made
    x = images
    if images.dtype != np.uint8:
        least, greatest = float(images.min()), float(images.max())
        gain = 1.0 if np.array_equal(images, np.rint(images)) and greatest - least < 256 else (greatest - least) / 255
        x = np.rint((images - least) / gain).astype(np.uint8)
        if not np.allclose(x * gain + least, images):
            raise ExtensionError(f"live-page {name}: expected images of bytes or of whole numbers within 0 … 255")
        kind = "none" if (gain, least) == (1.0, 0.0) else "scale"
        model.normalization = Normalization(kind, gain, least, "bytes")
    answer = "y" if answers.ndim == 1 else "targets"
    if answers.ndim > 1:
        model.task = tasks.infer_task(model.loss, model.last_layer, answers)
    file = folder / f"{name}.npz"
    np.savez(file, **{"x": x, answer: answers, "x_test": x, f"{answer}_test": answers, **_classes(model)})
    recipe = Recipe(epochs=100, batch_size=min(32, len(x)), loss=model.loss, normalization=model.normalization.kind)
    moments = recipe.optimizer.init(model.parameters)
    return PageSubject(name, model, recipe, DataChoice(str(file)), images=len(x), moments=moments)


def _classes(model: Model) -> dict[str, np.ndarray]:
    return {"classes": np.array(model.classes)} if model.classes else {}


def _find(env: BuildEnvironment, name: str) -> Any:
    for place in env.config.live_page_modules:
        if (env.srcdir / place).is_file():
            env.note_dependency(place)
            found = getattr(_imported(env.srcdir / place), name, None)
            if found is not None:
                return found
    raise ExtensionError(f"live-page {name}: no such function in {', '.join(env.config.live_page_modules)}")


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"live_{file.stem}", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _visit(translator: Any, node: LivePageNode) -> None:
    builder = translator.builder
    file = relative_uri(builder.get_target_uri(builder.current_docname), f"{FOLDER}/{node['name']}.html")
    address = html.escape(file + node["place"])
    translator.body.append(
        f'<figure class="live-page"><iframe src="{address}" title="chainrule: {node["name"]}" loading="lazy"'
        f' style="height: {node["height"]}px"></iframe>'
        f'<figcaption><a href="{address}" target="_blank">Open in a window of its own</a></figcaption></figure>\n'
    )
    raise nodes.SkipNode


def _pages_of(env: BuildEnvironment) -> dict[str, set[str]]:
    """Return the names of live pages by document."""
    known: dict[str, set[str]] = vars(env).setdefault("live_pages", {})
    return known


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Forget all pages that were written by another version of the package or of the networks."""
    files = [
        *sorted(Path(chainrule.__file__).parent.rglob("*.*")),
        *(app.srcdir / p for p in app.config.live_page_modules),
    ]
    digest = hashlib.sha256()
    for file in files:
        if file.suffix in (".py", ".js", ".css", ".html", ".toml") and file.is_file():
            digest.update(file.read_bytes())
    mark = Path(app.outdir, FOLDER, "written-by.txt")
    if mark.is_file() and mark.read_text(encoding="utf-8") == digest.hexdigest():
        return []
    mark.parent.mkdir(parents=True, exist_ok=True)
    for page in mark.parent.glob("*.html"):
        page.unlink()
    mark.write_text(digest.hexdigest(), encoding="utf-8")
    return [docname for docname in _pages_of(env) if docname in env.found_docs]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_config_value("live_page_modules", [], "env")
    app.add_node(LivePageNode, html=(_visit, None))
    app.add_directive("live-page", LivePage)
    app.connect("env-get-outdated", _outdated)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
