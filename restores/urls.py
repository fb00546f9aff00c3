"""Restores: the list, the inbox, the wizard, one restore, and what is decided about it."""

from __future__ import annotations

from django.urls import path

from restores.views import decisions, policy, requests, restoring, wizard

_ONE = "restores/<str:restore_id>"
_INSTANCE = "instances/<str:name>"

urlpatterns = [
    path(f"{_INSTANCE}/restoring/", restoring.settings, name="restoring"),
    path(f"{_INSTANCE}/restoring/edit/", restoring.edit, name="restoring_edit"),
    path(f"{_INSTANCE}/smoke-tests/add/", restoring.add_test, name="smoke_test_add"),
    path("smoke-tests/<int:key>/", restoring.edit_test, name="smoke_test_edit"),
    path("smoke-tests/<int:key>/remove/", restoring.remove_test, name="smoke_test_remove"),
    path("restores/", requests.restores, name="restores"),
    path("restores/history/", requests.history, name="restore_history"),
    path("restores/approvals/", requests.approvals, name="approvals"),
    path("restores/policy/", policy.policy, name="approval_policy"),
    path("restores/policy/<int:version>/sign/", policy.sign, name="approval_policy_sign"),
    path("restores/policy/<int:version>/reject/", policy.reject, name="approval_policy_reject"),
    path("restores/new/", wizard.new, name="restore_new"),
    path(f"{_ONE}/", requests.restore, name="restore"),
    path(f"{_ONE}/progress/", requests.restore_progress, name="restore_progress"),
    path(f"{_ONE}/progress.json", requests.restore_json, name="restore_json"),
    path(f"{_ONE}/source/", wizard.source, name="restore_source"),
    path(f"{_ONE}/target/", wizard.target, name="restore_target"),
    path(f"{_ONE}/plan/", wizard.plan, name="restore_plan"),
    path(f"{_ONE}/compare/", wizard.compare, name="restore_compare"),
    path(f"{_ONE}/choose/", wizard.choose, name="restore_choose"),
    path(f"{_ONE}/submit/", wizard.submit, name="restore_submit"),
    path(f"{_ONE}/approve/", decisions.approve, name="restore_approve"),
    path(f"{_ONE}/deny/", decisions.deny, name="restore_deny"),
    path(f"{_ONE}/break-glass/", decisions.break_glass, name="restore_break_glass"),
    path(f"{_ONE}/review/", decisions.review_glass, name="restore_review_glass"),
    path(f"{_ONE}/start/", decisions.start, name="restore_start"),
    path(f"{_ONE}/cancel/", decisions.cancel, name="restore_cancel"),
    path(f"{_ONE}/roll-back/", decisions.roll_back, name="restore_roll_back"),
]
