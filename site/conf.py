"""Sphinx configuration of the site (`make site`): docs/, the pages in this folder, and the API from docstrings."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import matplotlib  # noqa: E402
from sources import linkcode_resolve as linkcode_resolve  # noqa: E402

from chainrule import __version__  # noqa: E402

project = "chainrule"
version = release = __version__
root_doc = "site/index"
html_title = f"chainrule {release}"
html_favicon = "static/favicon.svg"
html_theme = "furo"
smartquotes = False  # docstrings quote values, which must keep their quotes
html_static_path = ["static", matplotlib.get_data_path() + "/fonts/ttf/DejaVuSerif.ttf"]  # font for equations
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
templates_path = ["templates"]
html_show_sphinx = html_show_copyright = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#00695f",
        "color-brand-content": "#00695f",
        "color-brand-visited": "#00695f",
        "color-background-primary": "#fdfdfb",
        "color-background-secondary": "#f4f3ef",
        "color-api-name": "#00695f",
        "color-api-pre-name": "#55585f",
    },
    "dark_css_variables": {
        "color-brand-primary": "#4fd3bf",
        "color-brand-content": "#4fd3bf",
        "color-brand-visited": "#4fd3bf",
        "color-api-name": "#4fd3bf",
        "color-api-pre-name": "#a9abb0",
    },
}
addresses = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
if "Repository" in addresses:
    html_theme_options["footer_icons"] = [
        {"name": "Source code", "url": addresses["Repository"], "html": "Source code", "class": ""}
    ]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "front_page",
    "equations",
    "sources",
    "entries",
    "api",
    "commands",
    "live_pages",
    "lessons",
    "terms",
]
include_patterns = ["site/**", "docs/**", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
exclude_patterns = [
    *(".venv", "node_modules", "build", "dist", "runs", "src", "tests", "benchmarks", "experiments", "**/.*"),
    *("docs/course/slides", "docs/course/exercises"),
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "site-notebooks")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
html_math_renderer = "mathml"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
live_page_modules = ["site/networks.py", "docs/course/networks.py"]
