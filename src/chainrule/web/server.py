"""The page's server: static files, and an HTTP API for the session."""

import asyncio
import json
import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chainrule._io import files
from chainrule.errors import ChainruleError, DataError
from chainrule.web import document
from chainrule.web.guard import BROKEN, Guard, Key
from chainrule.web.replaying import Cancelled
from chainrule.web.session import COMMANDS, Session
from chainrule.web.threads import in_thread

BYTES = "application/octet-stream"
READY_INTERVAL = 0.02  # seconds between checks whether a request can be answered
CLIENT_INTERVAL = 0.1  # seconds between two checks whether the client is still connected
NOT_FOUND = 404  # status if a frame or step does not exist

T = TypeVar("T")


def application(session: Session, key: Key) -> ASGIApp:
    """Return the application with all routes and access control."""
    handlers_by_path = {
        "/api/description": _description,
        "/api/samples": _samples,
        "/api/samples.bin": _samples_bytes,
        "/api/frame": _frame,
        "/api/step": _step,
        "/api/step/contributions": _contributions,
        "/api/training": _state,
        "/api/training/series": _series,
    }
    routes = [Route(path, answer) for path, answer in handlers_by_path.items()]
    routes.append(Route("/api/training/{command}", _command, methods=["POST"]))
    routes.append(Route("/{path:path}", _file))
    handlers: Any = {HTTPException: _http_error, ChainruleError: _chainrule_error, Exception: _internal_error}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.session = session
    return Guard(app, key)


# ------------------------------------------------------------------ files


async def _file(request: Request) -> Response:
    file = document.served_files().get(request.path_params["path"])
    if file is None:
        raise HTTPException(404, "no such page")
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


# ------------------------------------------------------------------ the network


async def _description(request: Request) -> Response:
    session = _session(request)
    await _wait_until(lambda: session.described, request)
    return JSONResponse(await in_thread(session.description))


async def _samples(request: Request) -> Response:
    session = _session(request)
    await _wait_until(session.loaded.is_set, request)
    images = session.sample_images()
    return JSONResponse({**images.about(), "shape": list(images.x.shape[1:])})


async def _samples_bytes(request: Request) -> Response:
    session = _session(request)
    await _wait_until(session.loaded.is_set, request)
    return Response(session.sample_images().x.tobytes(), media_type=BYTES)


async def _frame(request: Request) -> Response:
    session = _session(request)
    step = _number(request, "step")
    await _wait_until(lambda: session.described, request)
    if step is not None:
        await _wait_until(session.loaded.is_set, request)  # until then, only two frames are available
    frame = await _cancellable(request, lambda cancelled: session.frame(step, cancelled))
    return Response(frame.packed(), media_type=BYTES)


async def _step(request: Request) -> Response:
    session = _session(request)
    step = _number(request, "step") or 0
    await _wait_until(session.loaded.is_set, request)
    try:
        batch_step = await _cancellable(request, lambda cancelled: session.batch_step(step, cancelled))
    except HTTPException as error:
        if error.status_code != NOT_FOUND:
            raise
        # without training, there is no step; an error status would be reported in the browser's console
        return JSONResponse({"why": error.detail})
    return Response(batch_step.packed(), media_type=BYTES)


async def _contributions(request: Request) -> Response:
    session = _session(request)
    step = _number(request, "step") or 0
    name, indices = _entry(request)
    await _wait_until(session.loaded.is_set, request)
    contributions = await _cancellable(request, lambda cancelled: session.contributions(step, name, indices, cancelled))
    return JSONResponse(files.without_nonfinite(contributions))


async def _cancellable(request: Request, work: Callable[[threading.Event], T]) -> T:
    """Return the result of `work(cancelled)`, run in a thread. The event is set when the client disconnects."""
    cancelled = threading.Event()
    task = asyncio.create_task(in_thread(lambda: work(cancelled)))
    try:
        while not task.done():
            await asyncio.wait([task], timeout=CLIENT_INTERVAL)
            if not task.done() and await request.is_disconnected():
                cancelled.set()
        return await task
    except DataError as error:
        raise HTTPException(NOT_FOUND, str(error)) from None
    except Cancelled:
        raise HTTPException(503, "cancelled") from None
    finally:
        cancelled.set()


# ------------------------------------------------------------------ its training


async def _state(request: Request) -> Response:
    return JSONResponse(_session(request).state())


async def _series(request: Request) -> Response:
    return JSONResponse(_session(request).series(_number(request, "after") or 0))


async def _command(request: Request) -> Response:
    name = request.path_params["command"]
    if name not in COMMANDS:
        raise HTTPException(404, f"unknown command {name!r}; known: {', '.join(COMMANDS)}")
    body = await request.body()
    session = _session(request)
    steps = _steps(body) if name == "advance" else 1
    await _wait_until(session.loaded.is_set, request)
    return JSONResponse(await in_thread(lambda: session.command(name, steps)))


def _steps(body: bytes) -> int:
    """Return the number of steps in the body of an "advance" command."""
    try:
        content: Any = json.loads(body)
        steps: Any = content["steps"]
    except (ValueError, RecursionError, KeyError, TypeError):
        steps = None
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise HTTPException(400, 'expected {"steps": a whole number}')
    return steps


# ------------------------------------------------------------------ requests


def _session(request: Request) -> Session:
    return request.app.state.session


def _number(request: Request, name: str) -> int | None:
    """Return an integer from the query, or None if it is absent."""
    text = request.query_params.get(name)
    return None if text is None else _whole(name, text)


def _whole(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise HTTPException(400, f"{name}={text[:40]}: expected a whole number")
    return int(text)


def _entry(request: Request) -> tuple[str, list[int]]:
    """Return the name of a parameter and the flat indices of some of its elements, from the query."""
    name = request.query_params.get("name", "")
    if name not in _session(request).subject.model.layout:
        raise HTTPException(404, f"there is no parameter {name[:40]!r}")
    return name, [_whole("index", text) for text in request.query_params.get("index", "0").split(",")]


async def _wait_until(ready: Callable[[], bool], request: Request) -> None:
    """Wait until `ready()` is true. Raise HTTPException if the client disconnects before that."""
    while not ready():
        await asyncio.sleep(READY_INTERVAL)
        if await request.is_disconnected():
            raise HTTPException(503, "cancelled")


async def _http_error(request: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _internal_error(request: Request, error: Exception) -> Response:
    """Return a general message. Starlette then raises the error again, and `Guard` reports it in the terminal."""
    return JSONResponse({"error": BROKEN}, 500)


async def _chainrule_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409)
