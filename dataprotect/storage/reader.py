"""One sealed backup, read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from dataprotect.core.progress import Reporter, Silent
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.base import Base, FrameReader
from dataprotect.storage.checking import check_objects
from dataprotect.storage.copying import Copier, Packs
from dataprotect.storage.decoding import DecodeCheck
from dataprotect.storage.keys.base import Keyring
from dataprotect.storage.keys.wrapping import DataKey, unwrap
from dataprotect.storage.model import FileEntry, Finding, Sink
from dataprotect.storage.pipeline.frames import PACK, FrameDecoder
from dataprotect.storage.pipeline.manifest_reader import ManifestReader
from dataprotect.storage.seal import Seal


class BackupReader:
    """Made by `Repository.read`; the seal is authenticated already."""

    def __init__(self, backend: Backend, keyring: Keyring, seal: Seal, key: DataKey) -> None:
        self.seal = seal
        self._backend, self._keyring = backend, keyring
        self._keys = {key.key_id: key}

    @property
    def instance_id(self) -> str:
        return self.seal.instance_id

    @property
    def backup_id(self) -> str:
        return self.seal.backup_id

    def entries(self) -> Iterator[FileEntry]:
        """Everything in the backup, by the bytes of the paths. Raises DamagedObject."""
        return self._manifest().entries()

    def attachments(self) -> dict[str, Any]:
        """The attached documents by name. Raises DamagedObject."""
        return self._manifest().attachments()

    def copy_to(self, sink: Sink, threads: int = 2, reporter: Reporter | None = None) -> None:
        """Give the whole tree to `sink`; no byte reaches it whose digest was not right.

        Raises DamagedObject, what the sink raises, and what the reporter's checkpoint raises. Only a normal
        return means that everything was there.
        """
        manifest = self._manifest()
        Copier(self._packs(manifest), sink, threads, reporter or Silent()).run(manifest.files())

    def base(self, spool: Path | None = None) -> Base:
        """This backup as one that a new backup builds on. Raises DamagedObject for a damaged manifest."""
        manifest = self._manifest()
        files = manifest.files()
        first = list(islice(files, 1))  # with it the manifest's sources are known
        sources = [(source.backup_id, source.data_key_id) for source in manifest.sources]
        return Base(sources, chain(first, files), FrameReader(self._packs(manifest)).read, spool)

    def verify_checksums(self, reporter: Reporter | None = None, threads: int = 2) -> list[Finding]:
        """Read every stored object back and compare size and SHA-256; the list names each bad object."""
        return check_objects(self._backend, self.seal, self._keyring, threads, reporter or Silent())

    def verify_decode(
        self, threads: int = 2, reporter: Reporter | None = None, spool: Path | None = None
    ) -> list[Finding]:
        """Decrypt, decompress and compare everything, by code that shares nothing with the writer."""
        check = DecodeCheck(self._backend, self.seal, self._key_of, threads, reporter or Silent(), spool)
        return check.run()

    def _manifest(self) -> ManifestReader:
        return ManifestReader(self._backend, self._keys[self.seal.data_key_id], self.seal)

    def _packs(self, manifest: ManifestReader) -> Packs:
        return Packs(
            self._backend,
            name=lambda source, pack: self._pack_name(manifest, source, pack),
            open=lambda source, pack, header: self._open_pack(manifest, source, pack, header),
        )

    def _key_of(self, data_key_id: str) -> DataKey:
        if data_key_id not in self._keys:
            self._keys[data_key_id] = unwrap(self._backend, self.instance_id, data_key_id, self._keyring)
        return self._keys[data_key_id]

    def _pack_name(self, manifest: ManifestReader, source: int, pack: int) -> str:
        backup = manifest.sources[source].backup_id
        return names.backup_folder(self.instance_id, backup) + names.pack(pack)

    def _open_pack(self, manifest: ManifestReader, source: int, pack: int, header: bytes) -> FrameDecoder:
        key = self._key_of(manifest.sources[source].data_key_id)
        return FrameDecoder.open(key, self._pack_name(manifest, source, pack), PACK, header)
