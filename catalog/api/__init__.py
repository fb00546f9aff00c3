"""The API, mounted at /api/v1: the services, validators and refusals of the pages and the commands."""

from __future__ import annotations

from ninja import NinjaAPI

from catalog.api import backups, instances, jobs, policies, recovery, repositories
from catalog.api.auth import authenticate
from catalog.api.errors import answer_errors

api = NinjaAPI(
    title="DataProtect",
    version="1",
    auth=authenticate,
    docs_url=None,  # the page would load scripts from elsewhere; openapi.json is there for any tool
    urls_namespace="api-1",
)
answer_errors(api)
api.add_router("/instances", instances.router)
api.add_router("/instances", policies.of_instances)
api.add_router("/instances", recovery.router)
api.add_router("/policies", policies.router)
api.add_router("/backups", backups.router)
api.add_router("/verifications", backups.verifications)
api.add_router("/jobs", jobs.router)
api.add_router("/repositories", repositories.router)

__all__ = ["api"]
