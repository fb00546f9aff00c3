"""`manage.py policy_apply NAME POLICY`: from now on the instance is protected as the policy says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.selectors.policies import policy_get
from catalog.services.policy_assign import policy_assign
from dataprotect.core import validation
from dataprotect.core.errors import InvalidInput


class Command(CatalogCommand):
    help = "Give an instance a policy, or take it away with --none."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("policy", metavar="POLICY", nargs="?")
        parser.add_argument("--none", action="store_true", help="nothing runs by itself, everything is kept")
        parser.add_argument("--reason", default="", help="where a second person must approve: why")

    def answer(self, **options: Any) -> dict[str, Any]:
        if bool(options["policy"]) == options["none"]:
            raise InvalidInput("policy", "Expected the name of a policy, or --none.")
        instance = instance_get(user=self.actor, name=validation.instance_name(options["name"]))
        policy = policy_get(user=self.actor, name=options["policy"]) if options["policy"] else None
        row = policy_assign(actor=self.actor, instance=instance, policy=policy, reason=options["reason"])
        return {"instance": row.name, "policy": policy.name if policy is not None else None}

    def told(self, answer: dict[str, Any]) -> list[str]:
        if answer["policy"] is None:
            return [f"The instance {answer['instance']} has no policy: nothing runs by itself."]
        return [f"The instance {answer['instance']} is protected by the policy {answer['policy']}."]
