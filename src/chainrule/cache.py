"""Where chainrule keeps what it can make or fetch again: compiled programs and data."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for chainrule, or the one named by the environment variable CHAINRULE_CACHE."""
    chosen = os.environ.get("CHAINRULE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("chainrule"))
