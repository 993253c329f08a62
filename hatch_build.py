"""Build hooks of hatchling: compiled kernels, tracked files only, and a README with links that work outside.

A package index shows the README without the files around it. The address of the repository is stated once, as
`Repository` in `[project.urls]`. While there is none, links to files are shown as plain text, and pictures are omitted.
"""

import re
import runpy
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

BRANCH = "main"
TEXT = r"(?:[^\[\]]|\[[^\[\]]*\])*"  # with brackets inside, as in a badge that is a link
LINK = re.compile(rf"(?P<picture>!?)\[(?P<text>{TEXT})\]\((?![a-z]+:|#)(?P<path>[^)\s]+)\)")


def for_index(readme: str, repository: str = "") -> str:
    """Return a README whose relative links are absolute, or removed if the repository has no address."""

    def replace(link: re.Match[str]) -> str:
        if repository:
            view = "raw" if link["picture"] else "blob"
            return f"{link['picture']}[{link['text']}]({repository.rstrip('/')}/{view}/{BRANCH}/{link['path']})"
        return "" if link["picture"] else link["text"]

    return LINK.sub(replace, readme)


class ReadmeHook(MetadataHookInterface):
    """Sets the readme of the project."""

    def update(self, metadata: dict) -> None:
        """Read README.md, and rewrite its links."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = for_index(readme, metadata.get("urls", {}).get("Repository", ""))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class Package(BuildHookInterface):
    """Compiles the kernels, and refuses to package untracked files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernels of a wheel. Before, raise ValueError for untracked files, except in editable mode."""
        if version != "editable":
            self._refuse_untracked_files()
        if self.target_name == "wheel":
            self.compile_kernels(build_data, editable=version == "editable")

    def compile_kernels(self, build_data: dict[str, Any], *, editable: bool) -> None:
        """Compile the kernels: for this machine in editable mode, else for all processors.

        Without a C compiler, the package has no kernels, and says so when it is used.

        Errors   CalledProcessError if the compiler fails
        """
        kernels = runpy.run_path(str(Path(self.root, "src/chainrule/engines/native/build.py")))
        if not kernels["compiler"]():
            self.app.display_warning("no C compiler was found: chainrule will run on NumPy")
            return
        for bits in [kernels["own_width"]()] if editable else kernels["WIDTHS"]:
            kernels["build"](bits)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"py3-none-{platform}")
        build_data["artifacts"].append("src/chainrule/engines/native/*.so")

    def _refuse_untracked_files(self) -> None:
        """Raise ValueError if there are untracked files among the packaged ones.

        Like hatchling, it ignores what `.gitignore` lists, but not what only this machine's settings of git ignore.
        """
        if not Path(self.root, ".git").exists():
            return
        packaged = ["src", "docs"]
        if self.target_name == "sdist":
            packaged = ["."]
        command = ["git", "ls-files", "--others", "--exclude-from=.gitignore", *packaged]
        listing = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout
        if listing:
            raise ValueError(f"untracked files would be packaged: {', '.join(listing.splitlines())}")
