"""Jobs: the list, one with live progress, and its cancellation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.filters import JobFilter
from catalog.models import Backup, Instance
from catalog.selectors import instances_visible, job_get, job_list
from catalog.services.job_cancel import job_cancel
from catalog.tables import JobTable
from dataprotect.core import clock
from dataprotect.ops import selectors as ops
from dataprotect.ops.models import Job
from dataprotect.ops.templatetags import show
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, action, page

TAIL, WHOLE = 12, 1000


@page
def jobs(request: Request) -> HttpResponse:
    context = listing(request, job_list(user=request.user), JobFilter, JobTable, "Jobs")
    context |= {
        "title": "Jobs",
        "lead": "Everything that workers do or did. The newest first.",
        "nothing_matches": "No job matches this filter.",
    }
    return render(request, "catalog/jobs.html", context)


@page
def job(request: Request, key: UUID) -> HttpResponse:
    found = job_get(user=request.user, job_id=key)
    return render(request, "catalog/job.html", _context(request, found))


@page
def job_progress(request: Request, key: UUID) -> HttpResponse:
    """What changes while the job runs. The page asks every two seconds, until the job has ended."""
    found = job_get(user=request.user, job_id=key)
    context = _context(request, found)
    seen = (request.GET.get("state"), request.GET.get("phase"))
    context["changed"] = seen != (found.state, found.phase)
    return render(request, "catalog/job.html#moving", context)


@action
def job_cancel_action(request: Request, key: UUID) -> HttpResponse:
    cancelled = job_cancel(actor=request.user, job=job_get(user=request.user, job_id=key))
    ended = cancelled.is_terminal
    messages.success(request, "The job is cancelled." if ended else "The job ends at its next safe point.")
    return redirect("job", key=key)


def _may_cancel(user: User, job: Job) -> bool:
    """Whoever asked for it, or who may cancel any."""
    return user.get_username() == job.actor or user.has_perm("ops.cancel_job")


def _context(request: Request, job: Job) -> dict[str, Any]:
    spent = job.duration
    lines = ops.job_log(job.pk)
    everything = job.is_terminal or request.GET.get("log") == "all"
    newest = list(lines.order_by("-id")[: WHOLE if everything else TAIL])
    about = _instance_of(request.user, job)
    return {
        "job": job,
        "about": about,
        "backup": _backup_of(job) if job.is_terminal else None,
        "lines": newest[::-1],
        "everything": everything,
        "is_tail": not everything and len(newest) == TAIL,
        "seconds": spent.total_seconds() if spent else None,
        "eta": show.duration_range(job.eta_seconds) if job.eta_seconds is not None else "",
        "may_cancel": not job.is_terminal and _may_cancel(request.user, job),
        "results": _results(job.result),
    }


def _instance_of(user: User, job: Job) -> Instance | None:
    kind, _, key = job.subject.partition(":")
    if kind != "instance" or not key.isdecimal():
        return None
    return instances_visible(user=user).filter(pk=int(key)).first()


def _backup_of(job: Job) -> Backup | None:
    """The backup the job took or looked at; whoever may see the job may see it."""
    named = {**(job.arguments or {}), **(job.result or {})}.get("backup_id")
    return Backup.objects.filter(backup_id=named).first() if isinstance(named, str) else None


def _results(result: Any) -> list[tuple[str, Any, str]]:
    """The flat part of what a task returned, as (name, value, kind of value) for the page."""
    if not isinstance(result, dict):
        return []
    plain = [
        (name, value)
        for name, value in result.items()
        if isinstance(value, (str, int, float)) and value != ""
    ]
    return [(NAMES.get(name, show.words(name)), *_typed(name, value)) for name, value in plain]


def _typed(name: str, value: Any) -> tuple[Any, str]:
    """The value as the page's filters take it, and its kind. An instant that is none stays text."""
    kind = _kind(name, value)
    if kind == "instant":
        try:
            return clock.parse_iso(value), kind
        except ValueError:
            return value, "text"
    return value, kind


SIZES = {"bytes", "peak_memory", "size_bytes", "stored_bytes", "free_bytes"}
NAMES = {"seconds": "Took", "backup_id": "Backup", "restore_id": "Restore", "rto_seconds": "RTO measured"}


def _kind(name: str, value: Any) -> str:
    if name in {"backup_id", "restore_id", "state"}:
        return name.removesuffix("_id")
    if isinstance(value, bool):
        return "flag"
    if name.endswith("_at") and isinstance(value, str):
        return "instant"
    if name.startswith("bytes_") or name in SIZES:
        return "size"
    return "duration" if name.endswith("seconds") else "number" if isinstance(value, int) else "text"
