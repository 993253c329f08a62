"""Access to the lab in tests: addresses written without its JavaScript, arrays read from the page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.notation import format_number

if TYPE_CHECKING:
    from playwright.sync_api import Page

READ = """block => [...document.querySelectorAll(`[data-block=${block}] .number-plane`)].map(plane =>
    [...plane.querySelectorAll('[role=gridcell], [role=cell], input')].map(cell =>
        cell.value ?? cell.getAttribute('aria-label').split(' = ')[1]))"""
COLOURED = """canvas => { const c = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(Array.from({length: c.length / 4}, (_, k) => c[4 * k] + 256 * c[4 * k + 1])).size }"""


@dataclass(frozen=True)
class Setting:
    """A setting of the lab, and its address as a person could write it."""

    x: NDArray[Any]
    w: NDArray[Any]
    kind: str = "correlation"
    fields: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return "!".join([self.kind, f"x{array(self.x)}", f"w{array(self.w)}", *self.fields])


def array(values: NDArray[Any]) -> str:
    """Encode an array: 1.2.2_1~2~3~4"""
    return (
        f"{'.'.join(map(str, values.shape))}_{'~'.join(np.format_float_positional(v, trim='-') for v in values.flat)}"
    )


def opened(page: "Page", site: str) -> None:
    """Open the page at the lab."""
    page.goto(f"{site}#/lab")
    page.wait_for_selector("html[data-ready]")


def went(page: "Page", address: str = "", query: str = "?sample=0") -> None:
    """Go to another address as if it were typed, without reloading."""
    place = f"#/lab{'/' if address else ''}{address}{query}"
    page.evaluate("place => { location.hash = place; }", place)
    page.evaluate("() => new Promise(done => setTimeout(() => requestAnimationFrame(done), 30))")


def block(page: "Page", name: str) -> list[list[str]]:
    """Return the printed values of a block, plane by plane."""
    return page.evaluate(READ, name)


def printed(values: NDArray[Any]) -> list[list[str]]:
    """Return the expected values of a block: planes of numbers as printed."""
    planes = values.reshape(1, -1) if values.ndim == 1 else values.reshape(-1, values.shape[-1] * values.shape[-2])
    return [[format_number(float(value)) for value in plane] for plane in planes]
