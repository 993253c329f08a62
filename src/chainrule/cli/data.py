"""The command `chainrule data`."""

import textwrap
from typing import TYPE_CHECKING

import click

from chainrule._io.cache import cache_folder
from chainrule.cli import options
from chainrule.cli.output import WIDTH, format_table, print_json, print_line
from chainrule.cli.program import Group
from chainrule.core.shapes import text
from chainrule.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from chainrule.data import DatasetInfo


@click.group(cls=Group, short_help="Fetch, list and clear data sets.")
def data() -> None:
    """Fetch, list and clear the known data sets.

    Data sets are cached in the user's cache folder, or in CHAINRULE_CACHE. The folder CHAINRULE_DATA is searched
    first; with CHAINRULE_OFFLINE=1, nothing is downloaded.
    """


@data.command(short_help="Download data sets, or verify cached ones.")
@click.argument("names", metavar="NAME...|all", nargs=-1, required=True, type=options.DATA)
@options.quiet
def fetch(names: tuple[str, ...], quiet: bool) -> None:
    """Download data sets that are not cached, and verify the SHA-256 of every file."""
    from chainrule.data import catalogue
    from chainrule.data.known import find
    from chainrule.data.loading import load_known

    infos = list(catalogue())
    if "all" not in names:
        infos = [find(name) for name in names]
    for info in infos:
        training, test = load_known(info, progress=not quiet)
        images = f"{len(training):,} training and {len(test):,} test images {text(training.sample_shape)}"
        print_line(f"{info.name}: {images}, in {training.source}")


@data.command("list", short_help="List the known data sets and the cache.")
@options.as_json
def list_(as_json: bool) -> None:
    """List the known data sets: contents, sources and cached size; then those that are computed (not in --json).

    The last line shows the path of the cache.
    """
    from chainrule.data import catalogue, computed

    infos = catalogue()
    if as_json:
        print_json([_about(info) for info in infos])
        return
    rows = [["name", "training", "test", "images", "classes", "cached"]]
    for info in infos:
        kept = "no"
        if info.cached:
            kept = f"yes, {_size(info.bytes_on_disk)}"
        elif info.bytes_on_disk:
            kept = f"partly, {_size(info.bytes_on_disk)}"
        rows.append([info.name, f"{info.training:,}", f"{info.test:,}", text(info.shape), str(len(info.classes)), kept])
    click.echo(format_table(rows, right=(1, 2, 4)))
    click.echo("")
    for info in infos:
        about = f"{info.title}. {info.source}. License: {info.licence}."
        click.echo(textwrap.fill(f"{info.name:<15}{about}", WIDTH, subsequent_indent=" " * 15))
    for name, title in computed.TITLES.items():
        click.echo(textwrap.fill(f"{name:<15}{title}", WIDTH, subsequent_indent=" " * 15))
    print_line(f"\ncache: {cache_folder()} (to empty it: chainrule data clear)")


@data.command(short_help="Remove data sets from the cache.")
@click.argument("name", required=False, type=options.DATA)
@options.declared
def clear(
    name: str | None,
    *,
    yes: bool = False,
) -> None:
    """Remove the data set NAME, or, by default, all data sets from the cache.

    yes  Do not ask for confirmation.
    """
    from chainrule.data import catalogue
    from chainrule.data import clear as remove

    infos = [info for info in catalogue() if name in (None, info.name)]
    if not infos:
        raise unknown_name("name", name, [info.name for info in catalogue()])
    contents = list[str]()
    for info in infos:
        if info.bytes_on_disk:
            contents.append(f"{info.name} ({_size(info.bytes_on_disk)})")
    if not yes and contents:
        try:
            confirmed = click.confirm(f"remove {', '.join(contents)} from {cache_folder()}?", err=True)
        except click.Abort:
            raise OptionError("nothing was removed: not confirmed; use --yes to skip the confirmation") from None
        if not confirmed:
            click.echo("nothing was removed")
            return
    click.echo(f"{_size(sum(remove(info.name) for info in infos))} freed")


def _about(info: "DatasetInfo") -> dict[str, object]:
    about = dict(vars(info))
    del about["files"]
    return {**about, "folder": str(info.path), "cached": info.cached, "bytes": info.bytes_on_disk}


def _size(byte_count: int) -> str:
    return f"{byte_count / 1e6:.1f} MB"
