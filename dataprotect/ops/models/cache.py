"""What web workers must know of each other for some minutes: attempts to sign in, codes that were used."""

from __future__ import annotations

from django.db import models


class CacheEntry(models.Model):
    """The table of Django's database cache, made by a migration so that no set-up step can be forgotten.

    Its columns are those of `createcachetable`; nothing reads it but the cache itself.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "ops_cache"
        default_permissions = ()

    def __str__(self) -> str:
        return self.cache_key
