"""`manage.py rotate_secrets`: a new key for the stored passwords, and every one of them moved to it."""

from __future__ import annotations

from typing import Any

from dataprotect.ops.management.answering import AnsweringCommand, person
from dataprotect.ops.services.sealed_fields import secrets_rotate


class Command(AnsweringCommand):
    help = "Make a new key for the passwords in the catalog and reseal each of them with it."

    def answer(self, **options: Any) -> dict[str, Any]:
        key_id, moved = secrets_rotate(actor=person())
        return {"key": key_id, "moved": moved}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"The key {answer['key']} is current; {answer['moved']} stored secrets were moved to it."]
