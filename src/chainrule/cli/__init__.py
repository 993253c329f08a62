"""The command line interface: commands that parse options, call the library and print the results.

Imports: errors, version, _io, core, engines, plotting, layers, data, network, training, explain, interop, models, runs,
         zoo, check, web.
"""

import click

from chainrule.cli.program import MainGroup
from chainrule.version import __version__


@click.group(cls=MainGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="chainrule")
def main() -> None:
    """Convolutional networks worked out by hand: every gradient derived, readable, and fast.

    \b
    chainrule train                  train a network on MNIST and save it in a run folder
    chainrule evaluate RUN           evaluate it on the test set
    chainrule predict RUN photo.png  recognize the digit in an image
    """
