"""Who may do what with which instance. Own tables instead of guardian's generic ones: a real foreign
key, so the rows go with the instance, and an indexed join instead of text keys at 10,000 instances."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase


class InstanceUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(
        "catalog.Instance", on_delete=models.CASCADE, related_name="user_permissions"
    )

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = "instance permission of a user"
        verbose_name_plural = "instance permissions of users"


class InstanceGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(
        "catalog.Instance", on_delete=models.CASCADE, related_name="group_permissions"
    )

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = "instance permission of a group"
        verbose_name_plural = "instance permissions of groups"
