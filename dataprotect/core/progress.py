"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Told by the engine from any thread; every method is cheap and thread-safe."""

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        """A new phase begins; `total_bytes` is None where nobody can know it honestly."""

    def advance(self, done_bytes: int) -> None:
        """`done_bytes` more bytes of the current phase are done."""

    def note(self, message: str) -> None:
        """A line for the log a person reads. Never contains a secret."""

    def checkpoint(self) -> None:
        """A safe point. Raises `Cancelled`, `EmergencyStop` or `LeaseLost` when the work must end here."""


class Silent:
    """The reporter nobody listens to."""

    def phase(self, name: str, total_bytes: int | None = None) -> None: ...

    def advance(self, done_bytes: int) -> None: ...

    def note(self, message: str) -> None: ...

    def checkpoint(self) -> None: ...
