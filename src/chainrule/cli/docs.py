"""The command `chainrule docs`."""

from pathlib import Path

import click

from chainrule.cli import options
from chainrule.cli.output import format_table
from chainrule.errors import OptionError

COURSE = "course"  # notebooks and slides, which a terminal cannot show; not part of the wheel
ROOT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")  # pages outside docs/


def pages() -> dict[str, Path]:
    """Return the documentation files by page name, from the repository or the installed package."""
    package = Path(__file__).parents[1]
    installed = package / "docs"  # in a wheel, together with ROOT_PAGES
    root = package.parents[1]
    folder = package.parents[1] / "docs"
    if installed.is_dir():
        root = installed
        folder = installed
    files = dict[str, Path]()
    for page in ROOT_PAGES:
        if (root / page).is_file():
            files[page.removesuffix(".md").lower()] = root / page
    for file in sorted(folder.rglob("*.md")):
        if file.is_relative_to(folder / COURSE):
            continue
        name = file.relative_to(folder).with_suffix("").as_posix().removesuffix("/README")
        files.setdefault(name.lower(), file)
    return files


@click.command(short_help="List the documentation pages, or read one.")
@click.argument("page", required=False, type=options.Name("page"))
def docs(page: str | None) -> None:
    """List the documentation pages, or print PAGE.

    On a terminal, the page is formatted and shown in a pager; otherwise it is printed as Markdown. The pages are part
    of the package and describe the installed version.
    """
    files = pages()
    if not files:
        raise click.ClickException("the documentation pages are not installed with this package")
    if page is None:
        _list(files)
    else:
        _print(_find(page, files).read_text(encoding="utf-8"))


def _find(page: str, files: dict[str, Path]) -> Path:
    """Find a page by its full name, the last part of its name, or its file name; return its file."""

    name = page.lower().removeprefix("docs/").removesuffix(".md").removesuffix("/readme").strip("/")
    if name in files:
        return files[name]
    matches = [page_name for page_name in files if page_name.endswith(f"/{name}")]
    if len(matches) == 1:
        return files[matches[0]]
    raise OptionError(f"unknown page {page[:60]!r}; run chainrule docs for a list of all pages")


def _list(files: dict[str, Path]) -> None:

    rows = [["page", "title"]]
    for name, file in files.items():
        rows.append([name, _title(file)])
    click.echo(format_table(rows))
    click.echo("\nto read a page: chainrule docs PAGE")


def _title(file: Path) -> str:
    """Return the heading of a page."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line.removeprefix("# ").strip()
    return ""


def _print(text: str) -> None:
    import sys

    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    with console.pager(styles=True):
        console.print(Markdown(text))
