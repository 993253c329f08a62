"""Configuration of all tests."""

import ctypes
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Generator

import pytest
import selection
from hypothesis import settings
from selection import draws

from chainrule.engines import fallback
from chainrule.engines.protocol import Engine

# A shell's background job ignores interrupts, and so would all processes that a test starts to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("drawn", deadline=None, max_examples=draws(25))
settings.load_profile("drawn")

_stand_in = fallback.fall_back
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # linux/prctl.h, linux/capability.h
CAPABILITY_VERSION = 0x20080522


START = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, help="start no test later than this; files come in random order")
    parser.addoption("--record", action="store_true", help="write how long tests took to tests/seconds.csv")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("CHAINRULE_ORDER", str(random.randrange(2**31)))  # workers inherit it
    if config.getoption("record") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(selection.Recorder())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves out, and begin with the longest files, or, for a limited time, with any."""
    selection.leave_out(config, items)
    selection.sort_files(items, at_random=config.getoption("minutes") is not None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("minutes")
    if minutes is not None and time.monotonic() - START > 60 * minutes:
        pytest.skip("there was no time for it")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test marked `unprivileged`; root runs it in a child process that cannot ignore file permissions."""
    if pyfuncitem.get_closest_marker("unprivileged") is None:
        return None
    if not sys.platform.startswith("linux"):
        pytest.skip("requires the permissions and capabilities of Linux")
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings(action="ignore"):  # Python 3.12 and later warn if there are threads
        child = os.fork()
    if child == 0:
        try:
            _restrict()
            pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the traceback is among the captured output"
    return True


def _restrict() -> None:
    """Give up root's rights to read and write any file, in this process and in those that it starts."""
    libc = ctypes.CDLL(None)
    dropped = CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    for capability in dropped:
        libc.prctl(PR_CAPBSET_DROP, capability)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for index in range(3):  # effective, permitted, inheritable
        sets[index] &= ~sum(1 << capability for capability in dropped)
    if libc.capset(header, sets):
        raise OSError("capset failed")


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
    values = getattr(getattr(request.node, "callspec", None), "params", {}).values()
    if any(isinstance(value, str) and value == "jax" for value in values):
        pytest.importorskip("jax", reason="JAX is not installed (make jax)")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the NumPy engine stand in for compiled code that fails, as it does for users."""
    monkeypatch.setattr(fallback, "fall_back", _stand_in)
    fallback.say_once.cache_clear()
