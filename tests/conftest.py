"""Configuration of all tests."""

import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

from chainrule.engines import fallback
from chainrule.engines.protocol import Engine

# A shell's background job ignores interrupts, and so would all processes that a test starts to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

_stand_in = fallback.fall_back


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with long files, then those of the page, so that at the end no worker waits for another one's last file."""
    items.sort(key=lambda item: (item.get_closest_marker("long") is None, "tests/web" not in item.nodeid))


def _refused(why: str) -> Engine:
    raise AssertionError(f"the NumPy engine would have computed what this test compares: {why}")


@pytest.fixture(autouse=True, scope="session")
def no_stand_in() -> Generator[None]:
    """Fail a test in which compiled code fails, where a user's model goes on with the NumPy engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fallback, "fall_back", _refused)
        yield


@pytest.fixture(autouse=True)
def jax_where_it_is_named(request: pytest.FixtureRequest) -> None:
    """Skip a test of the JAX engine where JAX is not installed."""
    given = getattr(getattr(request.node, "callspec", None), "params", {})
    if any(isinstance(value, str) and value == "jax" for value in given.values()):
        pytest.importorskip("jax", reason="JAX is not installed (make jax)")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the NumPy engine stand in for compiled code that fails, as it does for users."""
    monkeypatch.setattr(fallback, "fall_back", _stand_in)
    fallback.say_once.cache_clear()
