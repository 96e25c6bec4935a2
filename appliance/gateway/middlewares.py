"""Around every request: its id, its log line, its figures; and what a failure looks like outside.

Outermost is `observed`, so that each answer has an id and a line, whatever went wrong. The line
names the route and the path, never the query string.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from appliance.domain.errors import MethodNotAllowed, NotFound, Problem, TooLarge
from appliance.gateway import headers, problems
from appliance.telemetry import logs, metrics

__all__ = ["answered", "observed"]


def observed(meters: metrics.Meters) -> Middleware:
    log: Any = logs.get_logger("gateway")
    in_flight = meters.gauge(metrics.IN_FLIGHT)
    requests = meters.counter(metrics.REQUESTS)
    seconds = meters.histogram(metrics.REQUEST_SECONDS)
    # Looking a labelled figure up costs more than counting: keep the few hundred there can be.
    counted: dict[tuple[str, str, int], Any] = {}
    timed: dict[tuple[str, str], Any] = {}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        request_id = headers.request_id(request.headers) or uuid.uuid4().hex
        logs.request_id.set(request_id)
        in_flight.inc()
        status = 499  # nobody is there any more to read the answer
        size = 0
        try:
            response = await handler(request)
            response.headers["X-Request-Id"] = request_id
            status = response.status
            size = response.content_length or 0
        finally:
            took = time.perf_counter() - started
            in_flight.dec()
            resource = request.match_info.route.resource
            route = "none" if resource is None else resource.canonical
            method = request.method if resource is not None else "any"
            key = (route, method, status)
            if key not in counted:
                counted[key] = requests.labels(route, method, str(status))
                timed.setdefault((route, method), seconds.labels(route, method))
            counted[key].inc()
            if "wait" not in request.query_string:
                timed[route, method].observe(took)
            line = log.debug if route.startswith("/health/") else log.info
            line(
                "request",
                method=request.method,
                route=route,
                path=request.path,
                status=status,
                ms=round(took * 1000, 2),
                bytes=size,
                client=request.headers.get("X-Forwarded-For", request.remote),
            )
        return response

    return middleware


def answered(meters: metrics.Meters) -> Middleware:
    log: Any = logs.get_logger("gateway")
    counted = meters.counter(metrics.PROBLEMS)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except asyncio.CancelledError:
            raise
        except Problem as found:
            problem: Problem = found
            allow = None
            if problems.status_of(problem.code) >= 500:
                log.warning("problem", code=problem.code, exc_info=True)
        except web.HTTPException as answer:
            translated = _of_framework(answer)
            if translated is None:
                return answer
            problem, allow = translated, answer.headers.get("Allow")
        except Exception:
            log.exception("unexpected", route=request.path)
            problem, allow = Problem(), None
        counted.labels(problem.code).inc()
        response = problems.answer(problem, logs.request_id.get())
        if allow is not None:
            response.headers["Allow"] = allow
        return response

    return middleware


def _of_framework(answer: web.HTTPException) -> Problem | None:
    if isinstance(answer, web.HTTPNotFound):
        return NotFound("There is no such address.")
    if isinstance(answer, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(f"This address takes {', '.join(sorted(answer.allowed_methods))}.")
    if isinstance(answer, web.HTTPRequestEntityTooLarge):
        return TooLarge()
    return None
