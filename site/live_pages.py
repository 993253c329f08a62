"""Sphinx directive `{live-page} NAME`: embed chainrule's page of a network in a page of the site.

NAME is a function in one of the files in `live_page_modules`. It returns a model, images (N, C, H, W), and their labels
(N,) or targets (N, K). The content of the directive is the location that the page opens, such as

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
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

import chainrule
from chainrule.data import Normalization
from chainrule.data.normalization import BYTE
from chainrule.models.model import Model
from chainrule.network import tasks
from chainrule.runs.jobs import DataChoice
from chainrule.training.recipe import Recipe
from chainrule.web import single_file
from chainrule.web.subjects import PageSubject

FOLDER = "_static/live"
HEIGHT = 640  # pixels
logger = logging.getLogger(__name__)


class LivePageNode(nodes.General, nodes.Element):
    """An embedded page, with the attributes `name`, `location` and `height`."""


class LivePage(SphinxDirective):
    """The directive `live-page`; see the module docstring."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the page of the network if the file does not exist, and return the node that embeds it."""
        name = self.arguments[0]
        location = "".join(line.strip() for line in self.content)
        _pages_of(self.env).setdefault(self.env.docname, set()).add(name)
        target = Path(self.env.app.outdir, FOLDER, f"{name}.html")
        if not target.is_file():
            logger.info("live page %s", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                single_file.write(target, page_subject(name, _find(self.env, name)(), Path(folder)))
        return [LivePageNode(name=name, location=location, height=HEIGHT)]


def page_subject(name: str, trained: tuple[Model, np.ndarray, np.ndarray], folder: Path) -> PageSubject:
    """Return the subject of the page; write the images to a file in `folder`.

    The page stores images as bytes. Images of another dtype are converted, and the model gets the normalization that
    converts the bytes back.

    trained  result of the function: model, images, labels or targets
    """
    model, images, answers = trained
    x = images
    if images.dtype != np.uint8:
        minimum, maximum = float(images.min()), float(images.max())
        is_integral = np.array_equal(images, np.rint(images)) and maximum - minimum < 256
        scale = 1.0 if is_integral else (maximum - minimum) / 255
        x = np.rint((images - minimum) / scale).astype(np.uint8)
        if not np.allclose(x * scale + minimum, images):
            raise ExtensionError(
                f"live-page {name}: expected uint8 images, or images with at most 256 evenly spaced values"
            )
        kind = "none" if (scale, minimum) == (1.0, 0.0) else "scale"
        model.normalization = Normalization(kind, scale, minimum, limits=(0.0, BYTE), white=BYTE)
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
    """Return the function with this name from the files in `live_page_modules`."""
    for path in env.config.live_page_modules:
        if (env.srcdir / path).is_file():
            env.note_dependency(path)
            function = getattr(_load_module(env.srcdir / path), name, None)
            if function is not None:
                return function
    raise ExtensionError(f"live-page {name}: no such function in {', '.join(env.config.live_page_modules)}")


def _load_module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"live_{file.stem}", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _visit(translator: Any, node: LivePageNode) -> None:
    builder = translator.builder
    file = relative_uri(builder.get_target_uri(builder.current_docname), f"{FOLDER}/{node['name']}.html")
    address = html.escape(file + node["location"])
    translator.body.append(
        f'<figure class="live-page"><iframe src="{address}" title="chainrule: {node["name"]}" loading="lazy"'
        f' style="height: {node["height"]}px"></iframe>'
        f'<figcaption><a href="{address}" target="_blank">Open in a separate window</a></figcaption></figure>\n'
    )
    raise nodes.SkipNode


def _pages_of(env: BuildEnvironment) -> dict[str, set[str]]:
    """Return the names of live pages, by the document that embeds them."""
    pages: dict[str, set[str]] = vars(env).setdefault("live_pages", {})
    return pages


def _remove_outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Delete all live pages and return their documents if the package or the networks have changed."""
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
    """Register the directive and its node."""
    app.add_config_value("live_page_modules", [], "env")
    app.add_node(LivePageNode, html=(_visit, None))
    app.add_directive("live-page", LivePage)
    app.connect("env-get-outdated", _remove_outdated)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
