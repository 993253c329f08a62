"""Location of the cache: compiled programs and fetched data sets."""

import os
from pathlib import Path

from chainrule._io.reading import expanded
from chainrule.errors import OptionError

CACHE_VARIABLE = "CHAINRULE_CACHE"


def cache_folder() -> Path:
    """Return the user's cache folder for chainrule, or the one named by the environment variable CHAINRULE_CACHE.

    Errors   OptionError when the user has no home folder, or the variable names one that does not exist
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        try:
            return expanded(chosen)
        except OptionError as error:
            raise OptionError(f"{CACHE_VARIABLE}={error}") from None
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("chainrule"))
    except (RuntimeError, ValueError, OSError):
        folder = Path("~")
    if not folder.is_absolute():  # older versions of platformdirs leave "~" as it is
        raise OptionError(f"this user has no home folder to keep a cache in; set {CACHE_VARIABLE} to a folder")
    return folder
