"""Every refusal is `{"error": {"code", "message", "action"}}` and never repeats a secret that was sent."""

from __future__ import annotations

import logging

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from dataprotect.core.errors import ForeseenError

log = logging.getLogger(__name__)
_STATUS = {"access.denied": 403, "access.csrf": 403, "access.step_up": 403,
    "job.busy": 409, "job.finished": 409, "stop.active": 409,
    "policy.in_use": 409, "policy.second_person": 409,
}  # fmt: skip


def answer_errors(api: NinjaAPI) -> None:
    """Register the handlers."""

    def reply(request: HttpRequest, status: int, error: dict[str, object]) -> HttpResponse:
        return api.create_response(request, {"error": error}, status=status)

    @api.exception_handler(ForeseenError)
    def foreseen(request: HttpRequest, error: ForeseenError) -> HttpResponse:
        return reply(request, status_of(error), error.as_json())

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return reply(request, 422, _first_problem(error))

    @api.exception_handler(HttpError)
    def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
        return reply(request, error.status_code, _http(error.status_code))

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return reply(request, 404, _http(404))

    @api.exception_handler(Exception)
    def bug(request: HttpRequest, error: Exception) -> HttpResponse:
        log.exception("the API answered %s %s with an error of ours", request.method, request.path)
        return reply(request, 500, _http(500))


def status_of(error: ForeseenError) -> int:
    """422 for input, 404 for what is not there, 409 where another state is needed, else 400."""
    if error.code.startswith("input."):
        return 422
    if error.code.endswith(".not_found"):
        return 404
    return _STATUS.get(error.code, 400)


def _first_problem(error: ValidationError) -> dict[str, object]:
    """Where and what; the value itself may be a password and is left out."""
    problem = error.errors[0]
    place = [str(part) for part in problem.get("loc", ()) if part not in ("body", "query", "path", "data")]
    field = place[-1] if place else "body"
    return {
        "code": f"input.{field}",
        "message": f"The field {field} is not usable: {problem.get('msg', 'it is not as expected')}.",
        "action": "Correct the value and try again.",
    }


def _http(status: int) -> dict[str, object]:
    words = {
        401: ("access.unknown", "Nobody is signed in.", "Send a bearer token, or sign in."),
        403: ("access.denied", "You may not do that.", "Ask a DBA Lead for the right to do it."),
        404: ("address.not_found", "There is nothing at this address.", "Look at /api/v1/openapi.json."),
        429: ("api.too_many", "There were too many requests.", "Wait a moment and try again."),
        500: ("api.unexpected", "Something happened that was not foreseen.", "Look into logs/errors.log."),
    }
    default = ("api.bad_request", "The request cannot be understood.", "Send JSON as openapi.json says.")
    code, message, action = words.get(status, default)
    return {"code": code, "message": message, "action": action}
