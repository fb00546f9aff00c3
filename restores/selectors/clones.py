"""Clones and restored folders, as far as the asker may see their instance."""

from __future__ import annotations

from django.db.models import QuerySet

from catalog.selectors.visible import Viewer, can_exist, instances_visible, not_found, sees_every_instance
from restores.models import Clone, RestoredFolder
from restores.states import ALIVE


def clone_list(*, user: Viewer, alive: bool = False) -> QuerySet[Clone]:
    """Newest first; with `alive` only those that still take room."""
    clones = Clone.objects.select_related("backup__instance")
    if not sees_every_instance(user=user):
        visible = instances_visible(user=user).order_by().values("pk")
        clones = clones.filter(backup__instance__in=visible)
    return clones.filter(state__in=ALIVE) if alive else clones


def clone_get(*, user: Viewer, clone_id: str) -> Clone:
    """Raises ForeseenError `clone.not_found`."""
    found = clone_list(user=user).filter(clone_id=clone_id).first() if can_exist(clone_id) else None
    if found is None:
        raise not_found("clone", clone_id)
    return found


def restored_folder_list(*, user: Viewer) -> QuerySet[RestoredFolder]:
    """Newest first."""
    folders = RestoredFolder.objects.select_related("backup__instance")
    if sees_every_instance(user=user):
        return folders
    return folders.filter(backup__instance__in=instances_visible(user=user).order_by().values("pk"))
