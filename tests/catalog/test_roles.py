"""Who sees what and who may do what: by role everywhere, or given for one instance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User

from catalog import roles, selectors, services
from catalog.models import Instance, Repository
from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops.models import AuditEvent

Person = Callable[..., User]
MakeInstance = Callable[..., Instance]


@pytest.mark.django_db
def test_the_groups_are_there_with_their_rights() -> None:
    for name, wanted in roles.ROLES.items():
        held = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in held} == set(wanted), name


def test_a_dba_sees_what_was_given_and_nothing_else(person: Person, make_instance: MakeInstance) -> None:
    dba, lead = person("bob", roles.DBA), person("ann", roles.DBA_LEAD)
    orders, _ = make_instance("orders"), make_instance("billing")
    assert not selectors.instances_visible(user=dba).exists()
    services.instance_access_grant(
        actor=lead, instance=orders, holder=dba, permissions=["view_instance", "backup_instance"]
    )
    dba = User.objects.get(pk=dba.pk)
    assert list(selectors.instances_visible(user=dba)) == [orders]
    assert services.backup_start(actor=dba, instance=orders).state == "queued"
    with pytest.raises(ForeseenError) as hidden:
        selectors.instance_get(user=dba, name="billing")
    with pytest.raises(ForeseenError) as absent:
        selectors.instance_get(user=dba, name="no-such-one")
    assert (hidden.value.code, hidden.value.action) == (absent.value.code, absent.value.action)
    services.instance_access_revoke(actor=lead, instance=orders, holder=dba)
    assert not selectors.instances_visible(user=User.objects.get(pk=dba.pk)).exists()
    verbs = AuditEvent.objects.filter(subject_type="instance").values_list("verb", flat=True)
    assert {"instance.access_granted", "instance.access_revoked"} <= set(verbs)


def test_an_auditor_sees_everything_and_changes_nothing(
    person: Person, make_instance: MakeInstance, repository: Repository
) -> None:
    auditor, orders = person("eve", roles.AUDITOR), make_instance("orders")
    assert list(selectors.instances_visible(user=auditor)) == [orders]
    attempts: list[Callable[[], object]] = [
        lambda: services.backup_start(actor=auditor, instance=orders),
        lambda: services.instance_update(actor=auditor, instance=orders, port=1234),
        lambda: services.repository_add(actor=auditor, name="x", url="/tmp/x"),
        lambda: services.repository_check_start(actor=auditor, repository=repository),
        lambda: services.key_rotate_start(actor=auditor),
        lambda: services.instance_access_grant(
            actor=auditor, instance=orders, holder=auditor, permissions=["backup_instance"]
        ),
        lambda: services.tier_update(actor=auditor, tier=orders.tier, rto_seconds=1, rpo_seconds=1),
    ]
    for attempt in attempts:
        with pytest.raises(ForeseenError) as refused:
            attempt()
        assert refused.value.code == "access.denied"


def test_inactive_and_strange_people_see_nothing(person: Person, make_instance: MakeInstance) -> None:
    make_instance()
    assert not selectors.instances_visible(user=person("new")).exists()
    assert not selectors.instances_visible(user=person("gone", is_superuser=True, is_active=False)).exists()
    assert selectors.instances_visible(user=person("root", is_superuser=True)).exists()


def test_whoever_registers_an_instance_may_work_on_it(person: Person, repository: Repository) -> None:
    dba = person("bob", roles.DBA)
    row = services.instance_add(
        actor=dba, name="orders", host="127.0.0.1", port="5432", user="backup", tier="standard",
        repository=repository, password=Secret("geheim-geheim"),
    )  # fmt: skip
    dba = User.objects.get(pk=dba.pk)
    assert row.owner == dba
    assert selectors.may(user=dba, permission="catalog.backup_instance", instance=row)
    assert not selectors.may(user=dba, permission="catalog.grant_instance", instance=row)
    assert "geheim" not in row.password_sealed
    assert row.password_sealed.startswith("v1:")
    event = AuditEvent.objects.get(verb="instance.added")
    assert (event.actor, "geheim" in event.data_json) == ("bob", False)
