"""The cache folder of downloaded data sets."""

import os
from pathlib import Path

from chainrule._io.reading import expanded
from chainrule.errors import OptionError

CACHE_VARIABLE = "CHAINRULE_CACHE"


def cache_folder() -> Path:
    """Return the folder in the environment variable CHAINRULE_CACHE, by default the user's cache folder for chainrule.

    Errors   OptionError if the user has no home folder, or if the variable refers to an unknown home folder
    """
    path = os.environ.get(CACHE_VARIABLE)
    if path:
        try:
            return expanded(path)
        except OptionError as error:
            raise OptionError(f"{CACHE_VARIABLE}={error}") from None
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("chainrule"))
    except (RuntimeError, ValueError, OSError):
        folder = Path("~")
    if not folder.is_absolute():  # older versions of platformdirs do not expand "~"
        raise OptionError(f"the user has no home folder for the cache; set {CACHE_VARIABLE} to a folder")
    return folder
