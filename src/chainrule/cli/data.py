"""`chainrule data`."""

import textwrap
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.program import Group

if TYPE_CHECKING:
    from chainrule.data import DatasetInfo


@click.group(cls=Group)
def data() -> None:
    """Fetch, list and clear the data sets known by name.

    They lie in the cache folder of the user, or in that named by CHAINRULE_CACHE. --data-folder and CHAINRULE_DATA
    name a folder that is looked into first.
    """


@data.command(short_help="Fetch data sets, or check those that are there.")
@click.argument(
    "names", metavar="NAME...|all", nargs=-1, required=True, shell_complete=options.names(options.data_names)
)
@options.where
@options.quiet
def fetch(names: tuple[str, ...], data_folder: str | None, offline: bool | None, quiet: bool) -> None:
    """Fetch data sets, or check those that are there: every file by its SHA-256."""
    from chainrule.data import catalogue
    from chainrule.data.catalogue import find
    from chainrule.data.sources import load_known
    from chainrule.shapes import text

    wanted = list(catalogue()) if "all" in names else [find(name) for name in names]
    for info in wanted:
        training, test = load_known(info, folder=data_folder, offline=offline, progress=not quiet)
        images = f"{len(training):,} training and {len(test):,} test images {text(training.shape)}"
        click.echo(f"{info.name}: {images}, in {training.source}")


@data.command("list", short_help="What is known, and what is in the cache.")
@options.as_json
def list_(as_json: bool) -> None:
    """The data sets known by name: what they hold, where they are from, and what of them is in the cache."""
    from chainrule.cli.output import WIDTH, json_out, table
    from chainrule.data import catalogue
    from chainrule.shapes import text

    known = catalogue()
    if as_json:
        json_out([_about(info) for info in known])
        return
    rows = [["name", "training", "test", "images", "classes", "in the cache"]]
    for info in known:
        size = _size(info.bytes_on_disk)
        kept = f"yes, {size}" if info.cached else f"in part, {size}" if info.bytes_on_disk else "no"
        rows.append([info.name, f"{info.train:,}", f"{info.test:,}", text(info.shape), str(len(info.classes)), kept])
    click.echo(table(rows, right=(1, 2, 4)))
    click.echo("")
    for info in known:
        about = f"{info.title}. {info.source}. Licence: {info.licence}."
        click.echo(textwrap.fill(f"{info.name:<15}{about}", WIDTH, subsequent_indent=" " * 15))
    click.echo(f"\ncache: {known[0].path.parent} (empty it with chainrule data clear)")


@data.command(short_help="Remove data sets from the cache.")
@click.argument("name", required=False, shell_complete=options.names(options.data_names))
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(name: str | None, yes: bool) -> None:
    """Remove a data set from the cache, or all of them."""
    from chainrule.data import catalogue
    from chainrule.data import clear as remove
    from chainrule.data.catalogue import find
    from chainrule.errors import OptionError

    chosen = [find(name)] if name else list(catalogue())
    held = [info for info in chosen if info.bytes_on_disk]
    if not yes and held:
        what = ", ".join(f"{info.name} ({_size(info.bytes_on_disk)})" for info in held)
        try:
            agreed = click.confirm(f"remove {what} from {chosen[0].path.parent}?", err=True)
        except click.Abort:
            raise OptionError("nothing was removed: not confirmed; say --yes to remove without being asked") from None
        if not agreed:
            click.echo("nothing was removed")
            return
    click.echo(f"{_size(remove(name))} freed")


def _about(info: "DatasetInfo") -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "classes": list(info.classes),
        "shape": list(info.shape),
        "training": info.train,
        "test": info.test,
        "source": info.source,
        "licence": info.licence,
        "folder": str(info.path),
        "cached": info.cached,
        "bytes": info.bytes_on_disk,
    }


def _size(many: int) -> str:
    return f"{many / 1e6:.1f} MB"
