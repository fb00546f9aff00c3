"""The demo's repository and instance, as a DBA Lead would register them."""

from __future__ import annotations

from django.contrib.auth.models import User

from catalog import roles
from catalog.models import Instance, Repository
from catalog.services.instance_access import instance_access_grant
from catalog.services.instance_add import instance_add
from catalog.services.instance_update import instance_update
from catalog.services.repository_add import repository_add
from catalog.states import Environment
from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from restores.demo.contents import BACKUP_USER
from restores.demo.people import REGISTRAR
from restores.demo.server import DemoServer

REPOSITORY = "demo"
INSTANCE = "demo-shop"


def registrar() -> User:
    return User.objects.get(username=REGISTRAR)


def refuse_a_home_in_use() -> None:
    """The demo makes people whose passwords stand on a screen: never beside instances of yours.

    Raises `demo.home_in_use`.
    """
    others = Instance.objects.exclude(name__startswith=INSTANCE)
    known = User.objects.filter(username=REGISTRAR).exists()
    if others.exists() and not known:
        raise ForeseenError(
            "demo.home_in_use",
            f"This home protects {others[0].name} already, and the demo would add its own people to it.",
            "Give the demo a home of its own: DATAPROTECT_HOME=/var/tmp/demo-home make demo",
        )


def repository_ensure(server: DemoServer) -> Repository:
    """Below the home, encrypted with the key of this installation."""
    found = Repository.objects.filter(name=REPOSITORY).first()
    if found is not None:
        return found
    place = server.place.repository
    place.parent.mkdir(parents=True, exist_ok=True)
    return repository_add(actor=registrar(), name=REPOSITORY, url=place.as_uri())


def instance_ensure(server: DemoServer, repository: Repository, password: Secret) -> Instance:
    """Registered at the first run; later its port and password are brought up to date."""
    actor = registrar()
    _retire_another_cluster(actor, server)
    found = Instance.objects.filter(name=INSTANCE).first()
    if found is None:
        found = instance_add(
            actor=actor, name=INSTANCE, host="127.0.0.1", port=server.port, user=BACKUP_USER,
            password=password, data_directory=str(server.place.data), environment=Environment.SANDBOX,
            tier="standard", repository=repository, probe=True,
        )  # fmt: skip
    else:
        found = instance_update(
            actor=actor, instance=found, password=password, port=server.port,
            data_directory=str(server.place.data),
        )  # fmt: skip
    _let_the_dba_work(actor, found)
    return found


def _retire_another_cluster(actor: User, server: DemoServer) -> None:
    """Backups of an earlier demo server stay under a name of their own; two clusters share no folder."""
    identifier = server.system_identifier()
    for earlier in Instance.objects.filter(name=INSTANCE).exclude(system_identifier__in=("", identifier)):
        instance_update(actor=actor, instance=earlier, name=f"{INSTANCE}-{earlier.system_identifier[-6:]}")


def _let_the_dba_work(actor: User, instance: Instance) -> None:
    """A DBA has rights per instance; the demo's DBA gets them on the demo's instance."""
    dba = User.objects.get(username="dba")
    if not dba.has_perm("catalog.backup_instance", instance):
        instance_access_grant(actor=actor, instance=instance, holder=dba, permissions=roles.OWNER_PERMISSIONS)
