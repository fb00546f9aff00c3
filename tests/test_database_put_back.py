"""A transactional test leaves the database as the migrations made it. The order in this file matters."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

from catalog.models import Tier


def _contents() -> tuple[int, int, int, int]:
    rights = Group.permissions.through.objects.count()
    return Group.objects.count(), Tier.objects.count(), Permission.objects.count(), rights


@pytest.mark.django_db
def test_migrations_wrote_roles_and_tiers() -> None:
    assert _contents()[:2] == (8, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_transactional_test_finds_them_and_may_ruin_them(turn: int) -> None:
    groups, tiers, permissions, rights = _contents()
    assert (groups, tiers) == (8, 3) and permissions > 50 and rights > 30
    Group.objects.all().delete()
    Tier.objects.all().delete()


@pytest.mark.django_db
def test_the_next_test_finds_them_again() -> None:
    groups, tiers, permissions, rights = _contents()
    assert (groups, tiers) == (8, 3) and permissions > 50 and rights > 30
