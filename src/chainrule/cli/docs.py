"""`chainrule docs`."""

from pathlib import Path

import click

from chainrule.cli import options

COURSE = "course"  # notebooks and slides, which a terminal does not show; not in a wheel
FIRST = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")  # pages outside docs/


def pages() -> dict[str, Path]:
    """Return the documentation files by page name, from a clone or from the installed package."""
    package = Path(__file__).parents[1]
    installed = package / "docs"  # in a wheel, with the pages of FIRST
    root = installed if installed.is_dir() else package.parents[1]
    folder = installed if installed.is_dir() else root / "docs"
    found = {name.removesuffix(".md").lower(): root / name for name in FIRST}
    for file in sorted(folder.rglob("*.md")):
        if file.is_relative_to(folder / COURSE):
            continue
        name = file.relative_to(folder).with_suffix("").as_posix().removesuffix("/README")
        found.setdefault(name.lower(), file)
    return {name: file for name, file in found.items() if file.is_file()}


def page_names() -> list[str]:
    """Return the names of all pages."""
    return list(pages())


@click.command(short_help="List the pages of the documentation, or read one.")
@click.argument("page", required=False, type=options.PATH_OR_NAME, shell_complete=options.completer(page_names))
@click.option("--open", "opened", is_flag=True, help="Open the page in your system's default program.")
@click.option("--path", is_flag=True, help="Print the path of the page.")
def docs(page: str | None, opened: bool, path: bool) -> None:
    """List the pages of the documentation, or print PAGE.

    A terminal shows the page formatted, one screen at a time; elsewhere it is printed as Markdown. The pages come with
    the package and describe the installed version.
    """
    known = pages()
    if not known:
        raise click.ClickException("the pages of the documentation are not installed with this package")
    if page is None:
        _list(known)
        return
    file = _find(page, known)
    if path:
        click.echo(file)
    elif opened:
        if click.launch(str(file)):
            raise click.ClickException(f"nothing on this system opens {file}")
    else:
        _print(file.read_text(encoding="utf-8"))


def _find(page: str, known: dict[str, Path]) -> Path:
    """Return the file of a page, given its name, the last part of its name, or its file name."""
    from chainrule.errors import OptionError

    name = page.lower().removeprefix("docs/").removesuffix(".md").removesuffix("/readme").strip("/")
    if name in known:
        return known[name]
    ends = [each for each in known if each.endswith(f"/{name}")]
    if len(ends) == 1:
        return known[ends[0]]
    raise OptionError(f"unknown page {page[:60]!r}; chainrule docs lists all pages")


def _list(known: dict[str, Path]) -> None:
    from chainrule.cli.output import format_table

    click.echo(format_table([["page", "title"], *([name, _title(file)] for name, file in known.items())]))
    click.echo("\nread one with chainrule docs PAGE")


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
