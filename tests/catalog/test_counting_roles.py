"""Which roles count for an approval: by who gave them, through which door, and how long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from catalog import roles
from catalog.models import RoleGrant
from catalog.selectors.roles import counting_roles
from catalog.services.role_grant import role_grant, role_revoke
from catalog.states import GrantDoor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import AuditEvent

Person = Callable[..., User]
HOUR = timedelta(hours=1)
TERMINAL = "system:root"


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda instant: monkeypatch.setattr(clock, "now", lambda: instant)


@pytest.fixture
def lead(person: Person) -> User:
    """A DBA Lead since last week, so that the founding of the installation is over."""
    return person("lead", roles.DBA_LEAD)


def give(actor: User | str, user: User, role: str) -> datetime:
    """Grants with a proof of this moment; returns when."""
    now = clock.now()
    role_grant(actor=actor, user=user, role=role, fresh_at=now)
    return now


def code_of(attempt: Callable[[], object]) -> str:
    with pytest.raises(ForeseenError) as refused, transaction.atomic():
        attempt()
    return refused.value.code


def test_what_another_person_gave_counts_at_once(lead: User, person: Person) -> None:
    dba = person("dba")
    give(lead, dba, roles.DBA)
    assert counting_roles(user=dba, at=clock.now()) == {roles.DBA}
    grant = RoleGrant.objects.get(user=dba)
    assert (grant.door, grant.granted_by, grant.granted_by_name) == (GrantDoor.PERSON, lead, "lead")
    event = AuditEvent.objects.get(verb="user.role_granted", actor="lead")
    assert (event.subject_id, event.data) == (str(dba.pk), {"name": "dba", "role": roles.DBA})


def test_what_one_gave_oneself_counts_after_a_day(lead: User, set_clock: Callable[[datetime], None]) -> None:
    given = give(lead, lead, roles.VP_ENGINEERING)
    for hours, counts in ((0, False), (23.99, False), (24, True)):
        held = counting_roles(user=lead, at=given + 2 * timedelta(seconds=1) + hours * HOUR)
        assert (roles.VP_ENGINEERING in held) is counts, hours
        assert roles.DBA_LEAD in held
    set_clock(given + 30 * HOUR)
    role_revoke(actor=lead, user=lead, role=roles.VP_ENGINEERING, fresh_at=clock.now())
    give(lead, lead, roles.VP_ENGINEERING)
    assert roles.VP_ENGINEERING not in counting_roles(user=lead, at=given + 31 * HOUR), "begins anew"


def test_the_terminal_waits_unless_it_founds_the_installation(lead: User, person: Person) -> None:
    dba = person("dba")
    given = give(TERMINAL, dba, roles.DBA)
    assert counting_roles(user=dba, at=given + 23 * HOUR) == frozenset()
    assert counting_roles(user=dba, at=given + 25 * HOUR) == {roles.DBA}


def test_whom_the_terminal_founds_the_installation_with_counts_at_once(
    person: Person, set_clock: Callable[[datetime], None]
) -> None:
    first, second, late = person("first"), person("second"), person("late")
    founded = give(TERMINAL, first, roles.DBA_LEAD)
    set_clock(founded + 23 * HOUR)
    give(TERMINAL, second, roles.SENIOR_DBA)
    set_clock(founded + 25 * HOUR)
    give(TERMINAL, late, roles.DBA)
    now = clock.now()
    assert [counting_roles(user=who, at=now) for who in (first, second, late)] == [
        {roles.DBA_LEAD}, {roles.SENIOR_DBA}, frozenset(),
    ]  # fmt: skip
    role_revoke(actor=TERMINAL, user=first, role=roles.DBA_LEAD)
    give(TERMINAL, first, roles.DBA_LEAD)
    assert counting_roles(user=first, at=now) == frozenset(), "there is one founding only"


@pytest.mark.parametrize("door", ["forward", "reverse", "set"])
def test_other_doors_are_recorded_and_wait(door: str, lead: User, person: Person) -> None:
    dba, group = person("dba"), Group.objects.get(name=roles.DBA)
    {
        "forward": lambda: dba.groups.add(group),
        "reverse": lambda: group.user_set.add(dba),
        "set": lambda: dba.groups.set([group]),
    }[door]()
    grant = RoleGrant.objects.get(user=dba, ended_at=None)
    assert (grant.door, grant.granted_by, grant.granted_by_name) == (GrantDoor.UNKNOWN, None, "unknown")
    assert counting_roles(user=dba, at=grant.granted_at + 23 * HOUR) == frozenset()
    assert counting_roles(user=dba, at=grant.granted_at + 24 * HOUR) == {roles.DBA}
    assert AuditEvent.objects.filter(verb="user.role_granted", actor="unknown", subject_id=dba.pk).exists()


@pytest.mark.parametrize("door", ["remove", "clear", "clear_reverse", "set"])
def test_a_membership_that_ends_ends_its_grant(door: str, lead: User, person: Person) -> None:
    dba, group = person("dba", roles.DBA), Group.objects.get(name=roles.DBA)
    {
        "remove": lambda: dba.groups.remove(group),
        "clear": lambda: dba.groups.clear(),
        "clear_reverse": lambda: group.user_set.clear(),
        "set": lambda: dba.groups.set([]),
    }[door]()
    assert not RoleGrant.objects.filter(user=dba, ended_at=None).exists()
    assert counting_roles(user=dba, at=clock.now()) == frozenset()


def test_rows_behind_everybodys_back_never_count(lead: User, person: Person) -> None:
    dba, group = person("dba"), Group.objects.get(name=roles.DBA)
    member = User.groups.through
    member.objects.bulk_create([member(user=dba, group=group)])
    assert dba.groups.exists()
    assert counting_roles(user=dba, at=clock.now() + 1000 * HOUR) == frozenset()
    senior = person("senior", roles.SENIOR_DBA)
    member.objects.filter(user=senior).delete()
    assert counting_roles(user=senior, at=clock.now()) == frozenset(), "a record without its membership"
    senior.groups.add(Group.objects.get(name=roles.SENIOR_DBA))
    assert counting_roles(user=senior, at=clock.now()) == frozenset(), "the old record does not speak for it"


def test_whoever_is_switched_off_counts_for_nothing(person: Person) -> None:
    dba = person("dba", roles.DBA)
    User.objects.filter(pk=dba.pk).update(is_active=False)
    assert dba.is_active, "the object at hand is older than the decision"
    assert counting_roles(user=dba, at=clock.now()) == frozenset()


def test_a_grant_of_the_future_does_not_count_yet(lead: User, person: Person) -> None:
    dba = person("dba")
    given = give(lead, dba, roles.DBA)
    assert counting_roles(user=dba, at=given - HOUR) == frozenset(), "the clock was moved back"


def test_who_may_give_and_take_roles(lead: User, person: Person) -> None:
    dba, now = person("dba", roles.DBA), clock.now()
    assert (
        code_of(lambda: role_grant(actor=dba, user=dba, role=roles.DBA_LEAD, fresh_at=now)) == "access.denied"
    )
    assert code_of(lambda: role_grant(actor=lead, user=dba, role=roles.SENIOR_DBA)) == "access.step_up"
    assert code_of(lambda: role_grant(actor=lead, user=dba, role="root", fresh_at=now)) == "role.not_found"
    assert code_of(lambda: role_grant(actor=lead, user=dba, role=roles.DBA, fresh_at=now)) == "role.held"
    assert (
        code_of(lambda: role_revoke(actor=lead, user=dba, role=roles.AUDITOR, fresh_at=now))
        == "role.not_held"
    )
    role_revoke(actor=lead, user=dba, role=roles.DBA, fresh_at=now)
    assert not dba.groups.exists()


def test_break_glass_gives_no_right(lead: User, person: Person) -> None:
    holder = person("holder")
    give(lead, holder, roles.BREAK_GLASS)
    assert counting_roles(user=holder, at=clock.now()) == {roles.BREAK_GLASS}
    assert not User.objects.get(pk=holder.pk).get_all_permissions()


def test_the_database_refuses_two_open_grants(lead: User) -> None:
    grant = RoleGrant.objects.get(user=lead)
    grant.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        grant.save(force_insert=True)
