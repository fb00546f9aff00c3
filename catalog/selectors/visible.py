"""Who may see what. Everything else here starts from these query sets."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from guardian.core import ObjectPermissionChecker
from guardian.shortcuts import get_objects_for_user

from catalog.models import Backup, Instance, Verification
from dataprotect.core.errors import ForeseenError

Viewer = AbstractUser | str
"""A signed-in user, or `system:<unix user>`: who has a shell on the machine reads its files anyway."""


def can_exist(name: str) -> bool:
    """False for what no database could hold or match (NUL, half a character): it is not even asked."""
    return isinstance(name, str) and name.isprintable()


def not_found(kind: str, name: str) -> ForeseenError:
    """The same answer for what does not exist and for what the asker may not see."""
    return ForeseenError(
        f"{kind}.not_found",
        f"There is no {kind} {name[:128]!a}, or you may not see it.",
        "Check the name, or ask a DBA Lead for access.",
    )


def sees_every_instance(*, user: Viewer) -> bool:
    """True when nothing needs to be filtered: superusers, auditors, the command line."""
    return isinstance(user, str) or bool(user.is_active and user.has_perm("catalog.view_instance"))


def instances_visible(*, user: Viewer) -> QuerySet[Instance]:
    if sees_every_instance(user=user):
        return Instance.objects.all()
    return instances_allowing(user=user, permission="catalog.view_instance")


def instances_allowing(*, user: Viewer, permission: str) -> QuerySet[Instance]:
    """Those for which `user` holds `permission`, by role or given for them: `may` for all of them at once."""
    if may(user=user, permission=permission):
        return Instance.objects.all()
    if isinstance(user, str) or not user.is_active:
        return Instance.objects.none()
    found: QuerySet[Instance] = get_objects_for_user(user, permission, Instance.objects.all())
    return found


def backups_visible(*, user: Viewer) -> QuerySet[Backup]:
    if sees_every_instance(user=user):
        return Backup.objects.all()
    return Backup.objects.filter(instance__in=instances_visible(user=user).order_by().values("pk"))


def verifications_visible(*, user: Viewer) -> QuerySet[Verification]:
    if sees_every_instance(user=user):
        return Verification.objects.all()
    return Verification.objects.filter(
        backup__instance__in=instances_visible(user=user).order_by().values("pk")
    )


def may(*, user: Viewer, permission: str, instance: Instance | None = None) -> bool:
    """Does `user` hold `permission` (`catalog.backup_instance`) for everything, or for this instance?"""
    if isinstance(user, str):
        return user.startswith(("system:", "command:"))
    if not user.is_active:
        return False
    if user.has_perm(permission):
        return True
    return instance is not None and user.has_perm(permission, instance)


def rights(*, user: Viewer, instance: Instance) -> frozenset[str]:
    """Codenames of everything `user` may do with this instance, by role or given for it, in one go."""
    names = {f"{verb}_instance" for verb in ("view", "change", "backup", "verify", "restore", "grant")}
    if isinstance(user, str):
        return frozenset(names if may(user=user, permission="") else ())
    if not user.is_active:
        return frozenset()
    everywhere = {name for name in names if user.has_perm(f"catalog.{name}")}
    if everywhere == names:
        return frozenset(names)
    return frozenset(everywhere | (names & set(ObjectPermissionChecker(user).get_perms(instance))))


def instance_get(*, user: Viewer, name: str) -> Instance:
    """One instance by name. Raises ForeseenError `instance.not_found`."""
    if not can_exist(name):
        raise not_found("instance", name)
    found = (
        instances_visible(user=user)
        .select_related(
            "tier", "repository", "owner", "last_good_backup", "last_restore_test", "rto_evidence"
        )
        .filter(name=name)
        .first()
    )
    if found is None:
        raise not_found("instance", name)
    return found
