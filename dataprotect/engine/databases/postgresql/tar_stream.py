"""A tar archive taken apart as it arrives, in pieces of any size. Holds one header at most.

The server writes plain ustar: names up to 100 bytes, sizes in octal, or in base 256 from 8 GiB on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dataprotect.core.errors import ForeseenError

RECORD = 512
_KINDS: dict[bytes, Literal["file", "directory", "symlink"]] = {
    b"0": "file", b"\0": "file", b"5": "directory", b"2": "symlink",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TarMember:
    """`name` without a leading `./` or a trailing `/`; `mode` the permission bits; `size` in bytes."""

    name: str
    kind: Literal["file", "directory", "symlink"]
    mode: int
    mtime: int
    size: int
    link: str


class TarDamaged(ForeseenError):
    def __init__(self, what: str) -> None:
        super().__init__(
            "postgresql.stream_damaged",
            f"The stream the server sent is not the archive it should be: {what}.",
            "Run the backup again; if it repeats, look at the network between server and worker.",
            retry=True,
        )


class TarParser:
    """Calls `on_member` for every header, `on_data` with its content in order, `on_end` after its last
    byte.
    """

    def __init__(
        self,
        on_member: Callable[[TarMember], None],
        on_data: Callable[[memoryview], None],
        on_end: Callable[[], None],
    ) -> None:
        self._on_member, self._on_data, self._on_end = on_member, on_data, on_end
        self._header = bytearray()
        self._content = 0
        self._padding = 0
        self._zero_records = 0

    def feed(self, data: memoryview) -> None:
        """Take the next bytes. The view is only used during the call."""
        at, length = 0, len(data)
        while at < length:
            if self._content:
                at += self._take_content(data[at : at + self._content])
            elif self._padding:
                step = min(self._padding, length - at)
                self._padding -= step
                at += step
            else:
                step = min(RECORD - len(self._header), length - at)
                self._header += data[at : at + step]
                at += step
                if len(self._header) == RECORD:
                    self._take_header()

    def close(self) -> None:
        """Say that nothing follows. Raises TarDamaged when something should have."""
        if self._content or self._padding or self._header or self._zero_records < 2:
            raise TarDamaged("it ended in the middle")

    def _take_content(self, view: memoryview) -> int:
        self._on_data(view)
        self._content -= len(view)
        if not self._content:
            self._on_end()
        return len(view)

    def _take_header(self) -> None:
        header = bytes(self._header)
        self._header.clear()
        if not any(header):
            self._zero_records += 1
            return
        if self._zero_records:
            raise TarDamaged("a member follows its end mark")
        member = parse_header(header)
        self._content = member.size
        self._padding = -member.size % RECORD
        self._on_member(member)
        if member.kind == "file" and not member.size:
            self._on_end()


def parse_header(header: bytes) -> TarMember:
    """One 512-byte header. Raises TarDamaged for a wrong checksum or a kind the server never sends."""
    if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise TarDamaged("a header has the wrong checksum")
    kind = _KINDS.get(header[156:157])
    if kind is None:
        raise TarDamaged(f"a member is of the unknown kind {header[156:157]!r}")
    name = _text(header[345:500]) + "/" if header[345] else ""
    name = (name + _text(header[:100])).removeprefix("./").rstrip("/")
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise TarDamaged(f"a member has the impossible name {name!r}")
    size = _number(header[124:136]) if kind == "file" else 0
    return TarMember(
        name, kind, _number(header[100:108]) & 0o7777, _number(header[136:148]), size, _text(header[157:257])
    )


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise TarDamaged("a header holds something that is no number") from None
