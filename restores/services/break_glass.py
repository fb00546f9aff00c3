"""Breaking the glass: one person of the named group starts a restore without its signatures, loudly, and
another one reviews it within three days.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from catalog.roles import BREAK_GLASS
from catalog.selectors.roles import counting_roles
from catalog.services.access import Actor, require
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit import audit_record
from restores.models import BreakGlassUse, RestoreRequest
from restores.services.approval_give import approve
from restores.services.approval_rules import locked, person
from restores.services.restore_alert import alert_key, restore_alert

REVIEW_WITHIN = timedelta(hours=72)


@transaction.atomic
def glass_break(
    *,
    actor: Actor,
    request: RestoreRequest,
    plan_hash: str,
    reason: str,
    fresh_at: datetime | None = None,
) -> RestoreRequest:
    """Approve without signatures. Everything else (safeguards, start, run) goes as always.

    Raises `break_glass.not_allowed`, InvalidInput for the reason, and as `approval_give`.
    """
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise InvalidInput("reason", "Expected why the signatures cannot be waited for.")
    breaker = person(actor, fresh_at)
    if BREAK_GLASS not in counting_roles(user=breaker, at=clock.now()):
        raise ForeseenError(
            "break_glass.not_allowed",
            f"Only members of the group {BREAK_GLASS} may act without the signatures.",
            "Ask the approvers, or a member of the group.",
        )
    row = locked(request, plan_hash)
    target = row.affected
    require(actor=breaker, permission="catalog.restore_instance", instance=target)
    now = clock.now()
    use = BreakGlassUse.objects.create(
        request=row, user=breaker, plan_hash=row.plan_hash, reason=reason, used_at=now,
        review_due_at=now + REVIEW_WITHIN,
    )  # fmt: skip
    data = {"restore": row.restore_id, "plan": row.plan_hash, "reason": reason}
    audit_record(actor=breaker, verb="restore.glass_broken", subject=row.subject, data=data)
    restore_alert(
        request=row, rule="glass_broken", severity="critical",
        title=f"{breaker.get_username()} broke the glass for {row.restore_id} onto {target.name}.",
        detail=f"Reason: {reason}. It must be reviewed by {clock.iso(use.review_due_at)}.",
    )  # fmt: skip
    approve(actor=breaker, row=row)
    return row


@transaction.atomic
def glass_review(*, actor: Actor, use: BreakGlassUse, note: str, fresh_at: datetime | None = None) -> None:
    """Another person says what is to be learnt from it. Raises `access.denied`, `break_glass.own`,
    `break_glass.reviewed`, InvalidInput.
    """
    note = " ".join(note.split())[:1000]
    if not note:
        raise InvalidInput("note", "Expected what the review found.")
    reviewer = person(actor, fresh_at)
    if not reviewer.has_perm("restores.review_breakglass"):
        raise ForeseenError(
            "access.denied",
            "Reviewing takes a DBA Lead, an Engineering Manager or a VP Engineering.",
            "Ask one of them.",
        )
    if reviewer.pk in (use.user_id, use.request.requested_by_id):
        raise ForeseenError(
            "break_glass.own",
            "You broke this glass, or asked for what it was broken for: another person reviews it.",
            "Ask another reviewer.",
        )
    changed = BreakGlassUse.objects.filter(pk=use.pk, reviewed_at=None).update(
        reviewed_by=reviewer, reviewed_at=clock.now(), review=note
    )
    if not changed:
        raise ForeseenError("break_glass.reviewed", "It was reviewed already.", "Nothing needs to be done.")
    data = {"restore": use.request.restore_id, "note": note}
    audit_record(actor=reviewer, verb="restore.glass_reviewed", subject=use.request.subject, data=data)
    for rule in ("glass_broken", "glass_review_overdue"):
        alert_resolve(
            alert_key(rule, use.request), reason=f"Reviewed by {reviewer.get_username()}: {note}"[:200]
        )


def reviews_remind() -> int:
    """Raise an alert for every use whose review is overdue; how many there are."""
    late = BreakGlassUse.objects.filter(reviewed_at=None, review_due_at__lt=clock.now())
    for use in late.select_related("request__instance", "request__target_instance", "user"):
        restore_alert(
            request=use.request, rule="glass_review_overdue", severity="critical",
            title=f"The glass broken for {use.request.restore_id} was not reviewed in 72 hours.",
            detail=f"Broken by {use.user.get_username()}: {use.reason}",
        )  # fmt: skip
    return late.count()
