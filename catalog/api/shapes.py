"""What goes in and comes out. Passwords go in and never come out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from ninja import Field, Schema
from pydantic import ConfigDict, SecretStr

T = TypeVar("T")


class Strict(Schema):
    """Input: a field that is not known is a mistake, not something to ignore."""

    model_config = ConfigDict(extra="forbid")


class Page(Schema, Generic[T]):
    items: list[T]
    count: int


class PageQuery(Schema):
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=10_000_000)

    def of(self, rows: QuerySet[Any]) -> dict[str, Any]:
        found: list[Model] = list(rows[self.offset : self.offset + self.limit])
        return {"items": found, "count": rows.count()}


class InstanceIn(Strict):
    name: str
    engine: str = "postgresql"
    host: str
    port: int | str = 5432
    user: str
    password: SecretStr | None = None
    database: str = "postgres"
    data_directory: str = ""
    environment: str
    tier: str
    region: str = ""
    repository: str
    tls_mode: str = "prefer"
    tls_ca_file: str = ""
    tls_certificate_file: str = ""
    tls_key_file: str = ""


class InstanceChange(Strict):
    """Only the fields that are sent are changed."""

    name: str | None = None
    host: str | None = None
    port: int | str | None = None
    user: str | None = None
    password: SecretStr | None = None
    database: str | None = None
    data_directory: str | None = None
    environment: str | None = None
    tier: str | None = None
    region: str | None = None
    repository: str | None = None
    tls_mode: str | None = None
    tls_ca_file: str | None = None
    tls_certificate_file: str | None = None
    tls_key_file: str | None = None


class DatabaseOut(Schema):
    name: str
    size_bytes: int
    tables: int | None
    safe_name: bool
    is_present: bool
    last_seen_at: datetime


class InstanceOut(Schema):
    name: str
    identifier: str
    engine: str
    host: str
    port: int
    user: str
    database: str
    has_password: bool
    data_directory: str
    environment: str
    tier: str = Field(alias="tier.name")
    region: str
    repository: str = Field(alias="repository.name")
    tls_mode: str
    system_identifier: str
    server_version: str
    size_bytes: int | None
    connection_encrypted: bool | None
    connection_tls_protocol: str
    probed_at: datetime | None
    probe_problem: str
    probe_warnings: list[str]
    last_good_at: datetime | None
    rto_seconds: float | None = None
    rto_target_seconds: int = Field(alias="tier.rto_seconds")
    rpo_target_seconds: int = Field(alias="tier.rpo_seconds")
    created_at: datetime

    @staticmethod
    def resolve_rto_seconds(row: Any) -> float | None:
        return row.rto_evidence.rto_seconds if row.rto_evidence else None


class InstanceDetailOut(InstanceOut):
    databases: list[DatabaseOut]


class BackupIn(Strict):
    type: str = "full"
    reader: str = "auto"


class BackupOut(Schema):
    backup_id: str
    instance: str = Field(alias="instance.name")
    repository: str = Field(alias="repository.name")
    type: str
    state: str
    reader: str
    started_at: datetime
    stopped_at: datetime
    seconds: float
    start_position: str
    stop_position: str
    timeline: int
    files: int
    bytes_read: int
    bytes_stored: int
    object_count: int
    server_version: str
    data_key_id: str
    bad_pages: list[str]
    warnings: list[str]


class VerificationIn(Strict):
    level: str


class VerificationOut(Schema):
    id: int
    backup_id: str = Field(alias="backup.backup_id")
    level: str
    passed: bool
    checks: list[dict[str, Any]]
    timings: dict[str, float]
    seconds: float
    rto_seconds: float | None
    bytes_read: int
    started_at: datetime
    finished_at: datetime
    job: UUID | None = Field(None, alias="job_id")


class JobOut(Schema):
    id: UUID
    kind: str
    title: str
    subject: str
    actor: str
    state: str
    phase: str
    bytes_done: int
    bytes_total: int | None
    percent: float | None
    rate: float | None
    eta_seconds: float | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    result: Any
    error: dict[str, Any] | None


class LogLineOut(Schema):
    id: int
    at: datetime
    text: str


class JobDetailOut(JobOut):
    log: list[LogLineOut]


class RepositoryIn(Strict):
    name: str
    url: str
    region: str = ""


class RepositoryChange(Strict):
    """Only what is sent is changed."""

    max_concurrent: int = 4
    bandwidth_limit: int | None = None
    price_per_gb_month: Decimal | None = None
    price_currency: str = "USD"


class RepositoryOut(Schema):
    name: str
    url: str
    region: str
    repository_id: str
    state: str
    problem: str
    checked_at: datetime | None
    free_bytes: int | None
    backup_count: int
    stored_bytes: int
    max_concurrent: int
    bandwidth_limit: int | None
    price_per_gb_month: Decimal | None
    price_currency: str
