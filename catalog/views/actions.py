"""What people start from pages: backups and verifications. Each queues a job and leads to its page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect

from catalog.selectors import backup_get, instance_get
from catalog.services.backup_start import backup_start
from catalog.services.verification_start import verification_start
from dataprotect.ops.views.page import Request, action


@action
def instance_backup(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    kind = request.POST.get("type", "full")
    job = backup_start(actor=request.user, instance=instance, type=kind, wait=False)
    return redirect("job", key=job.pk)


@action
def backup_verify(request: Request, backup_id: str) -> HttpResponse:
    backup = backup_get(user=request.user, backup_id=backup_id)
    job = verification_start(
        actor=request.user, backup=backup, level=request.POST.get("level", ""), wait=False
    )
    return redirect("job", key=job.pk)
