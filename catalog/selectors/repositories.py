"""Repositories with what lies in them, and keys by name."""

from __future__ import annotations

from django.db.models import Count, Max, QuerySet

from catalog.models import EncryptionKey, Repository
from catalog.selectors.visible import Viewer, can_exist, not_found


def _may(user: Viewer, permission: str) -> bool:
    return isinstance(user, str) or user.has_perm(permission)


def repository_list(*, user: Viewer) -> QuerySet[Repository]:
    """Annotated with `instance_count` and `newest_backup_at`; sizes are kept in the row with every backup."""
    if not _may(user, "catalog.view_repository"):
        return Repository.objects.none()
    return Repository.objects.annotate(
        instance_count=Count("instances", distinct=True), newest_backup_at=Max("instances__last_good_at")
    ).order_by("name")


def repository_get(*, user: Viewer, name: str) -> Repository:
    """Raises ForeseenError `repository.not_found`."""
    found = repository_list(user=user).filter(name=name).first() if can_exist(name) else None
    if found is None:
        raise not_found("repository", name)
    return found


def key_list(*, user: Viewer) -> QuerySet[EncryptionKey]:
    """The current key first."""
    if not _may(user, "catalog.view_encryptionkey"):
        return EncryptionKey.objects.none()
    return EncryptionKey.objects.all()
