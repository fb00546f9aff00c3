"""`manage.py rotate_key`: a new key-encryption key; nothing stored is rewritten."""

from __future__ import annotations

from typing import Any

from catalog.management.foreground import JobCommand
from catalog.services import key_rotate_start, keyring_path


class Command(JobCommand):
    help = "Make a new key-encryption key and wrap every data key with it too."

    def answer(self, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.run(lambda: key_rotate_start(actor=self.actor))
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f"The current key is {answer['key_id']}; {answer['data_keys_wrapped']} data keys wrapped.",
            f"Copy {keyring_path()} to a safe place now: without it no backup opens.",
        ]
