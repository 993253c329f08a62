"""The cache folder."""

import pytest

from chainrule._io.cache import cache_folder
from chainrule.errors import OptionError


@pytest.mark.parametrize("folder", ["~/.cache/chainrule", RuntimeError("no home"), ValueError("no home")])
def test_a_user_without_a_home_folder(folder: str | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handle platformdirs versions that keep the ~ or raise: no folder named ~ is created."""

    def user_cache_dir(name: str) -> str:
        if isinstance(folder, Exception):
            raise folder
        return folder

    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", user_cache_dir)
    with pytest.raises(OptionError, match="no home folder"):
        cache_folder()
    monkeypatch.setenv("CHAINRULE_CACHE", "~nobody-here/x")
    with pytest.raises(OptionError, match="CHAINRULE_CACHE=~nobody-here/x"):
        cache_folder()
