"""The decode check: proves from the stored bytes alone that every file could be put together again."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

import xxhash

from dataprotect.core.progress import Reporter
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend, ObjectMissing
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.expectations import Expectations, Expected
from dataprotect.storage.independent import Bad, Frame, Opener, expand_key, walk
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.model import Finding
from dataprotect.storage.parallel import for_each
from dataprotect.storage.promises import ManifestProof
from dataprotect.storage.seal import Seal

_CACHED_FRAMES = 32


class DecodeCheck:
    """Build it, then `run` it once. Memory does not grow with the backup; `spool` is where lists are kept."""

    def __init__(
        self,
        backend: Backend,
        seal: Seal,
        key_of: Callable[[str], DataKey],
        threads: int,
        reporter: Reporter,
        spool: Path | None,
    ) -> None:
        self._backend, self._seal, self._key_of = backend, seal, key_of
        self._threads, self._reporter = threads, reporter
        self._sources: list[tuple[str, str]] = []
        self._findings: list[Finding] = []
        self._expected = Expectations(spool)
        self._cached = lru_cache(_CACHED_FRAMES)(self._fetch)

    def run(self) -> list[Finding]:
        """What is wrong, by object; an empty list proves the backup. Raises key errors and Cancelled."""
        try:
            if self._guarded(self._seal.folder + names.SEAL, self._check_seal) and self._guarded(
                self._seal.folder + names.MANIFEST, self._check_manifest
            ):
                self._check_packs()
                self._check_scattered()
        finally:
            self._expected.close()
        return self._findings

    def _guarded(self, name: str, check: Callable[[], None]) -> bool:
        """Run a check of the object `name`; what is wrong becomes a finding. True when nothing was."""
        try:
            check()
        except Bad as error:
            self._findings.append(Finding(name, str(error)))
        except DamagedObject as error:
            self._findings.append(Finding(error.object_name, error.problem))
        except ObjectMissing:
            self._findings.append(Finding(name, "it is missing"))
        else:
            return True
        return False

    def _check_seal(self) -> None:
        """The HMAC, over the very bytes that lie in the repository."""
        data = self._backend.read(self._seal.folder + names.SEAL)
        code, body, digest = data[9:73], data[82:-78], data[-67:-3]
        if data != b'{"hmac":"%b","seal":%b,"sha256":"%b"}\n' % (code, body, digest):
            raise Bad("it does not have the form of a seal")
        seal = self._seal
        secret = self._key_of(seal.data_key_id).secret
        key = expand_key(secret, b"", f"dataprotect/1 seal {seal.instance_id}/{seal.backup_id}")
        if not hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest().encode(), code):
            raise Bad("its HMAC does not match")
        if json.loads(body) != seal.document:
            raise Bad("it changed while it was checked")

    def _check_manifest(self) -> None:
        frames = self._walk(self._seal.folder + names.MANIFEST, "manifest", self._seal.data_key_id)
        proof = ManifestProof(self._seal, self._expected)
        proof.read(frame.plain for frame in frames)
        self._sources = proof.sources
        self._expected.complete()

    def _check_packs(self) -> None:
        """Every own pack from end to end; of the parents' packs, the frames that are needed."""
        mine = [item.name for item in self._seal.objects if item.name.startswith("packs/")]
        named = self._expected.packs()
        for source, pack in named:
            if source == 0 and names.pack(pack) not in mine:
                name = self._seal.folder + names.pack(pack)
                self._findings.append(Finding(name, "the manifest needs it and the seal does not list it"))
        work = [(0, int(name.rpartition("/")[2])) for name in mine]
        work += [place for place in named if place[0] != 0]
        for_each(work, self._check_pack, self._threads, self._reporter)

    def _check_pack(self, place: tuple[int, int]) -> None:
        source, pack = place
        name = self._pack_name(source, pack)
        self._guarded(name, lambda: self._compare_pack(source, pack, name))

    def _compare_pack(self, source: int, pack: int, name: str) -> None:
        pieces = self._expected.pieces(source, pack)
        wanted = next(pieces, None)
        for frame in self._frames_of(source, pack, name):
            while wanted is not None and wanted.frame == frame.number:
                self._compare(frame, wanted)
                wanted = next(pieces, None)
        if wanted is not None:
            raise Bad(f"it has no frame {wanted.frame}, which the manifest needs")

    def _frames_of(self, source: int, pack: int, name: str) -> Iterator[Frame]:
        key_id = self._sources[source][1]
        if source == 0:
            yield from self._walk(name, "pack", key_id)
            return
        opener, last = self._opener(name, key_id), -1
        for piece in self._expected.pieces(source, pack):
            if piece.frame != last:
                last = piece.frame
                yield self._frame_at(opener, name, piece)

    def _compare(self, frame: Frame, piece: Expected) -> None:
        if (frame.offset, frame.stored, len(frame.plain)) != (piece.offset, piece.stored, piece.plain):
            raise Bad(f"frame {frame.number} lies elsewhere than the manifest says")
        part = memoryview(frame.plain)[piece.at : piece.at + piece.length]
        if len(part) != piece.length:
            raise Bad(f"frame {frame.number} is shorter than the manifest says")
        if piece.digest is not None and xxhash.xxh3_128(part).digest() != piece.digest:
            raise Bad(f"frame {frame.number} does not hold what {self._expected.path(piece.file)!r} needs")
        if piece.pages and _page_hashes(part) != self._hashes_at(piece.pages):
            raise Bad(f"the page hashes of a block of {self._expected.path(piece.file)!r} are wrong")
        self._reporter.advance(piece.length)

    def _hashes_at(self, pages: str) -> bytes:
        source, pack, frame, offset, stored, plain, at, length = json.loads(pages)
        return self._cached(source, pack, frame, offset, stored, plain)[at : at + length]

    def _check_scattered(self) -> None:
        """Blocks in several pieces are put together; their pieces' frames are sound already."""
        for file, digest, encoded, pages in self._expected.scattered():
            hashes = partial(self._hashes_at, pages) if pages else None
            pieces = json.loads(encoded)
            name = self._pack_name(pieces[0][0], pieces[0][1])
            if not self._guarded(name, partial(_join, pieces, digest, hashes, self._cached)):
                problem = f"{self._expected.path(file)!r} is affected by damage to a pack"
                self._findings.append(Finding(self._seal.folder + names.MANIFEST, problem))
            self._reporter.checkpoint()

    def _fetch(self, source: int, pack: int, frame: int, offset: int, stored: int, plain: int) -> bytes:
        name = self._pack_name(source, pack)
        opener = self._opener(name, self._sources[source][1])
        return self._frame_at(opener, name, Expected(frame, offset, stored, plain, 0, 0, None, 0)).plain

    def _frame_at(self, opener: Opener, name: str, piece: Expected) -> Frame:
        data = self._backend.read(name, piece.offset, piece.stored)
        head = (piece.stored - 12).to_bytes(4, "big") + piece.plain.to_bytes(4, "big") + bytes(4)
        if len(data) != piece.stored or data[:12] != head:
            raise Bad(f"frame {piece.frame} is not where the manifest says")
        plain = opener.decode(piece.frame, piece.plain, data[12:])
        return Frame(piece.frame, piece.offset, piece.stored, plain)

    def _opener(self, name: str, key_id: str) -> Opener:
        return Opener(self._key_of(key_id).secret, key_id, name, "pack", self._backend.read(name, 0, 56))

    def _walk(self, name: str, kind: str, key_id: str) -> Iterator[Frame]:
        return walk(self._backend.stream(name), self._key_of(key_id).secret, key_id, name, kind)

    def _pack_name(self, source: int, pack: int) -> str:
        return names.backup_folder(self._seal.instance_id, self._sources[source][0]) + names.pack(pack)


def _join(
    pieces: list[list[int]],
    digest: bytes,
    hashes: Callable[[], bytes] | None,
    fetch: Callable[..., bytes],
) -> None:
    """Raises Bad when the pieces of a block, one after the other, do not have its digest or page hashes."""
    joined = bytearray()
    for source, pack, frame, offset, stored, plain, at, length in pieces:
        joined += fetch(source, pack, frame, offset, stored, plain)[at : at + length]
    if xxhash.xxh3_128(joined).digest() != digest:
        raise Bad("a block put together from several frames is not what was read")
    if hashes is not None and _page_hashes(memoryview(joined)) != hashes():
        raise Bad("the page hashes of a block put together from several frames are wrong")


def _page_hashes(block: memoryview) -> bytes:
    """The XXH3-64 of every 8192 bytes: by them the next backup knows what of the block has changed."""
    return b"".join([xxhash.xxh3_64(block[at : at + 8192]).digest() for at in range(0, len(block), 8192)])
