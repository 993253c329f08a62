"""`chainrule data`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.program import Group

if TYPE_CHECKING:
    from chainrule.data import DatasetInfo


COMPILED = "compiled"  # name of the compiled programs in `clear`


@click.group(cls=Group, short_help="Fetch, list, inspect and clear data sets.")
def data() -> None:
    """Fetch, list and clear the known data sets, and inspect an image folder of your own.

    The known data sets are kept in the user's cache folder, or the folder named by CHAINRULE_CACHE, beside the compiled
    programs. --data-folder and CHAINRULE_DATA name a folder that is searched first.
    """


@data.command(short_help="Fetch data sets, or verify cached ones.")
@click.argument(
    "names", metavar="NAME...|all", nargs=-1, required=True, shell_complete=options.completer(options.data_names)
)
@options.data_location
@options.quiet
def fetch(names: tuple[str, ...], data_folder: str | None, offline: bool | None, quiet: bool) -> None:
    """Fetch data sets that are not cached, and verify the SHA-256 of every file."""
    from chainrule.cli.output import print_line
    from chainrule.core.shapes import text
    from chainrule.data import catalogue
    from chainrule.data.catalogue import find
    from chainrule.data.loading import load_known

    wanted = list(catalogue()) if "all" in names else [find(name) for name in names]
    for info in wanted:
        training, test = load_known(info, folder=data_folder, offline=offline, progress=not quiet)
        images = f"{len(training):,} training and {len(test):,} test images {text(training.shape)}"
        print_line(f"{info.name}: {images}, in {training.source}")


@data.command("list", short_help="List the known data sets, and which are cached.")
@options.as_json
def list_(as_json: bool) -> None:
    """List the known data sets: their contents, their sources, and how much of each is in the cache.

    The last lines give the size of the compiled programs in the cache.
    """
    from chainrule._io import cache
    from chainrule._io.cache import UNUSED_DAYS, cache_folder
    from chainrule.cli.output import WIDTH, format_table, print_json, print_line
    from chainrule.core.shapes import text
    from chainrule.data import catalogue

    known = catalogue()
    if as_json:
        print_json([_about(info) for info in known])
        return
    rows = [["name", "training", "test", "images", "classes", "in the cache"]]
    for info in known:
        size = _size(info.bytes_on_disk)
        kept = f"yes, {size}" if info.cached else f"in part, {size}" if info.bytes_on_disk else "no"
        rows.append([info.name, f"{info.train:,}", f"{info.test:,}", text(info.shape), str(len(info.classes)), kept])
    click.echo(format_table(rows, right=(1, 2, 4)))
    click.echo("")
    for info in known:
        about = f"{info.title}. {info.source}. Licence: {info.licence}."
        click.echo(textwrap.fill(f"{info.name:<15}{about}", WIDTH, subsequent_indent=" " * 15))
    many = cache.program_versions()
    kept = f"{_size(cache.programs_size())} of {many} version{'s' if many > 1 else ''}" if many else "none"
    click.echo(f"\ncompiled programs: {kept} (those not used for {UNUSED_DAYS} days are removed)")
    print_line(f"cache: {cache_folder()} (empty it with chainrule data clear)")


@data.command(short_help="Report which images of a folder are used, and which are left out.")
@click.argument("folder", metavar="FOLDER", type=options.PATH)
@click.option("--list", "listed", is_flag=True, help="Name every file that is left out.")
@options.as_json
def inspect(folder: Path, listed: bool, as_json: bool) -> None:
    """Read an image folder as training would, and report which files are used, and which are left out and why."""
    from chainrule.cli.output import format_table, print_json
    from chainrule.core.shapes import text
    from chainrule.data.folder import TABLE, has_targets, load_folder, load_targets, suggested_size

    if has_targets(folder):
        training, test = load_targets(folder, size=suggested_size(folder))
        click.echo(f"{len(training) + len(test):,} images of {TABLE} are used, as {text(training.shape)}")
        click.echo(f"targets: {', '.join(training.classes)}")
        return
    training, _ = load_folder(folder, size=suggested_size(folder), skip_damaged=True)
    inventory = training.inventory
    assert inventory is not None
    if as_json:
        print_json({**inventory.to_json(), "shape": list(training.shape), "classes": list(training.classes)})
        return
    parts = list(inventory.used)
    rows = [["class", *parts]]
    rows += [[name, *(f"{inventory.used[part][name]:,}" for part in parts)] for name in training.classes]
    rows.append(["", *(f"{sum(inventory.used[part].values()):,}" for part in parts)])
    click.echo(format_table(rows, right=tuple(range(1, len(parts) + 1))))
    click.echo(f"\n{inventory.images:,} images are used, as {text(training.shape)}")
    for line in inventory.left_out if listed else inventory.lines():
        click.echo(line)


def _clearable() -> list[str]:
    """Return the names that `clear` accepts."""
    return [*options.data_names(), COMPILED]


@data.command(short_help="Empty the cache: data sets and compiled programs.")
@click.argument("name", required=False, shell_complete=options.completer(_clearable))
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(name: str | None, yes: bool) -> None:
    """Remove the data set NAME, the compiled programs (NAME "compiled"), or, without a name, everything from the cache.

    Programs are compiled again when they are next needed, also by running processes.
    """
    from chainrule._io import cache
    from chainrule._io.cache import cache_folder
    from chainrule.data import catalogue
    from chainrule.data import clear as remove
    from chainrule.errors import OptionError, unknown_name

    infos = [info for info in catalogue() if name in (None, info.name)]
    if not infos and name != COMPILED:
        raise unknown_name("name", name, _clearable())
    held = [f"{info.name} ({_size(info.bytes_on_disk)})" for info in infos if info.bytes_on_disk]
    programs = name in (None, COMPILED)
    if programs and cache.program_versions():
        held.append(f"compiled programs ({_size(cache.programs_size())})")
    if not yes and held:
        try:
            agreed = click.confirm(f"remove {', '.join(held)} from {cache_folder()}?", err=True)
        except click.Abort:
            raise OptionError("nothing was removed: not confirmed; give --yes to remove without being asked") from None
        if not agreed:
            click.echo("nothing was removed")
            return
    of_data, of_programs = sum(remove(info.name) for info in infos), cache.clear_programs() if programs else 0
    shares = f" (data {_size(of_data)}, compiled programs {_size(of_programs)})" if of_data and of_programs else ""
    click.echo(f"{_size(of_data + of_programs)} freed{shares}")


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
