"""Registering an instance."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from catalog import roles
from catalog.models import Instance, Repository, Tier
from catalog.models.instance import new_identifier
from catalog.services import instance_input
from catalog.services.access import Actor, require
from catalog.services.cleaning import check_clean, save_clean
from catalog.services.instance_access import permissions_give
from catalog.services.instance_probe import probe_record, probe_source
from catalog.services.opening import PASSWORD_FIELD, source_with
from catalog.states import Environment, TlsMode
from dataprotect.core.secrets import Secret
from dataprotect.ops import secrets
from dataprotect.ops.services.audit import audit_record


def instance_add(
    *,
    actor: Actor,
    name: str,
    host: str,
    user: str,
    tier: str | Tier,
    repository: str | Repository,
    engine: str = "postgresql",
    port: str | int = 5432,
    password: Secret | None = None,
    database: str = "postgres",
    data_directory: str = "",
    environment: str = Environment.PRODUCTION,
    region: str = "",
    tls_mode: str = TlsMode.PREFER,
    tls_ca_file: str = "",
    tls_certificate_file: str = "",
    tls_key_file: str = "",
    probe: bool = False,
) -> Instance:
    """Register it, with its password sealed. With `probe` it is kept only if it can be reached.

    Whoever registers it may do everything with it. Raises `access.denied`, `input.…`, and with `probe` what
    the server says.
    """
    require(actor=actor, permission="catalog.add_instance")
    values = instance_input.cleaned({
        "name": name, "engine": engine, "host": host, "port": port, "user": user, "database": database,
        "data_directory": data_directory, "environment": environment, "tier": tier, "region": region,
        "repository": repository, "tls_mode": tls_mode, "tls_ca_file": tls_ca_file,
        "tls_certificate_file": tls_certificate_file, "tls_key_file": tls_key_file,
    })  # fmt: skip
    secret = instance_input.password(password) if password is not None else None
    row = Instance(
        identifier=new_identifier(name), owner=actor if isinstance(actor, User) else None, **values
    )
    check_clean(row)
    # Before the transaction: a server that does not answer must not hold the catalog's write lock.
    found = probe_source(source_with(row, secret), row.engine) if probe else None
    with transaction.atomic():
        _insert(actor, row, secret)
        if found is not None:
            probe_record(actor=actor, instance=row, found=found)
    return row


def _insert(actor: Actor, row: Instance, secret: Secret | None) -> None:
    save_clean(row)
    if secret is not None:  # sealing binds to the primary key, which exists only now
        row.password_sealed = secrets.seal_field(row, PASSWORD_FIELD, secret)
        row.save(update_fields=[PASSWORD_FIELD])
    if isinstance(actor, User):
        permissions_give(row, actor, roles.OWNER_PERMISSIONS)
    data = {
        "name": row.name, "engine": row.engine, "host": row.host, "port": row.port, "user": row.user,
        "environment": row.environment, "tier": row.tier.name, "repository": row.repository.name,
        "tls_mode": row.tls_mode, "with_password": secret is not None,
    }  # fmt: skip
    audit_record(actor=actor, verb="instance.added", subject=row, data=data)
