"""Overview, instances, backups, verification, jobs, repositories and keys."""

from __future__ import annotations

from django.urls import path

from catalog.views import (
    access,
    actions,
    alerts,
    backups,
    channels,
    instance_forms,
    instances,
    jobs,
    overview,
    repositories,
    repository_forms,
    subject,
    verifications,
)

urlpatterns = [
    path("", overview.overview_page, name="overview"),
    path("add/instance/", instance_forms.add, name="instance_add"),
    path("instances/", instances.instances, name="instances"),
    path("instances/<str:name>/", instances.instance, name="instance"),
    path("instances/<str:name>/edit/", instance_forms.edit, name="instance_edit"),
    path("instances/<str:name>/probe/", instance_forms.probe, name="instance_probe"),
    path(
        "instances/<str:name>/connection/<uuid:key>/", instance_forms.connection, name="instance_connection"
    ),
    path("instances/<str:name>/access/", access.access, name="instance_access"),
    path("instances/<str:name>/access/revoke/", access.revoke, name="instance_access_revoke"),
    path("instances/<str:name>/backup/", actions.instance_backup, name="instance_backup"),
    path("backups/", backups.backups, name="backups"),
    path("backups/<str:backup_id>/", backups.backup, name="backup"),
    path("backups/<str:backup_id>/verify/", actions.backup_verify, name="backup_verify"),
    path("verifications/", verifications.verifications, name="verifications"),
    path("verifications/<int:key>/", verifications.verification, name="verification"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<uuid:key>/", jobs.job, name="job"),
    path("jobs/<uuid:key>/progress/", jobs.job_progress, name="job_progress"),
    path("jobs/<uuid:key>/cancel/", jobs.job_cancel_action, name="job_cancel"),
    path("repositories/", repositories.repositories, name="repositories"),
    path("add/repository/", repository_forms.add, name="repository_add"),
    path("repositories/<str:name>/", repositories.repository, name="repository"),
    path("repositories/<str:name>/check/", repository_forms.check, name="repository_check"),
    path("keys/rotate/", repository_forms.rotate, name="key_rotate"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<int:key>/", alerts.alert, name="alert"),
    path("alerts/<int:key>/acknowledge/", alerts.acknowledge, name="alert_acknowledge"),
    path("alerts/<int:key>/snooze/", alerts.snooze, name="alert_snooze"),
    path("alerts/<int:key>/assign/", alerts.assign, name="alert_assign"),
    path("alerts/<int:key>/resolve/", alerts.resolve, name="alert_resolve"),
    path("alerts/channels/", channels.channels, name="channels"),
    path("alerts/channels/<int:key>/", channels.edit, name="channel_edit"),
    path("alerts/channels/<int:key>/test/", channels.test, name="channel_test"),
    path("alerts/channels/<int:key>/remove/", channels.remove, name="channel_remove"),
    path("add/channel/", channels.add, name="channel_add"),
    path("subject/<str:kind>/<str:key>/", subject.subject, name="subject"),
]
