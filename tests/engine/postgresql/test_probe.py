"""The connection test: what it finds, TLS in every mode, and a sentence for each way it can fail."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import pwd
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.engine import databases
from dataprotect.engine.databases.postgresql import local_access, server
from dataprotect.engine.databases.postgresql.connection import connect
from dataprotect.engine.databases.postgresql.probe import probe
from dataprotect.engine.model import Address, Source, Tls
from tests.engine.postgresql.conftest import Bench, address_of
from tests.servers.postgresql import PostgresServer, unprivileged_user


def source_of(postgres: PostgresServer, **changes: object) -> Source:
    return Source("instance-1", "probed", address_of(postgres, **changes))


def test_what_a_probe_finds(postgres: PostgresServer) -> None:
    found = probe(source_of(postgres))
    assert found.version_number // 10000 == postgres.major
    assert found.system_identifier == local_access.system_identifier(postgres.data)
    assert (found.data_directory, found.data_directory_readable) == (str(postgres.data), True)
    assert found.data_checksums and not found.in_recovery and not found.encrypted
    assert found.timeline == 1 and found.size_bytes > 1_000_000
    assert abs(found.clock_skew_seconds) < 0.5
    assert "postgres" in [each.name for each in found.databases]
    assert "template1" not in [each.name for each in found.databases]
    assert found.warnings == ()


def test_odd_names_are_shown_and_marked(make_postgres) -> None:
    postgres: PostgresServer = make_postgres()
    with postgres.connect() as connection:
        connection.execute('CREATE DATABASE "x; DROP TABLE y"')
        connection.execute("CREATE DATABASE plain")
    with postgres.connect("plain") as connection:
        connection.execute("CREATE TABLE a (); CREATE TABLE b ()")
    by_name = {each.name: each for each in probe(source_of(postgres)).databases}
    assert by_name["x; DROP TABLE y"].safe_name is False
    assert (by_name["plain"].safe_name, by_name["plain"].tables) == (True, 2)


def test_a_user_without_rights_is_told_what_is_missing(make_postgres) -> None:
    postgres: PostgresServer = make_postgres()
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weakword'")
    found = probe(source_of(postgres, user="weak", password=Secret("weakword")))
    text = " ".join(found.warnings)
    assert "lacks the REPLICATION right" in text
    assert "The local reader cannot be used" in text
    assert found.data_directory is None


def test_pg_hba_without_a_replication_line_is_told(make_postgres) -> None:
    postgres: PostgresServer = make_postgres()
    rules = postgres.data / "pg_hba.conf"
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    with postgres.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    text = " ".join(probe(source_of(postgres)).warnings)
    assert "no pg_hba.conf entry that lets postgres connect for replication" in text


FAILURES = [
    ({"password": Secret("wrong-and-secret")}, "connection.password"),
    ({"password": None}, "connection.password_missing"),
    ({"port": 1}, "connection.unreachable"),
    ({"host": "no-such-host.invalid"}, "connection.unknown_host"),
    ({"database": "nowhere"}, "connection.database_missing"),
    ({"tls": Tls("require")}, "connection.tls_unsupported"),
]


@pytest.mark.parametrize(("changes", "code"), FAILURES, ids=[code for _, code in FAILURES])
def test_every_way_to_fail_has_its_sentence(
    postgres15: PostgresServer, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(ForeseenError) as caught:
        probe(source_of(postgres15, **changes))
    assert caught.value.code == code
    assert caught.value.message.endswith(".") and caught.value.action.endswith(".")
    chained = f"{caught.value!r}{caught.value.__cause__!r}{caught.value.action}"
    assert "wrong-and-secret" not in chained and postgres15.password not in chained
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


class _Younger(threading.Thread):
    """A relay to a real server of version 15 that has it say 14 when a session begins."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def run(self) -> None:
        with self._listening:
            client, _ = self._listening.accept()
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            upstream = threading.Thread(target=self._pass, args=(client, server, b"", b""), daemon=True)
            upstream.start()
            self._pass(server, client, b"server_version\x0015.", b"server_version\x0014.")

    @staticmethod
    def _pass(source: socket.socket, to: socket.socket, old: bytes, new: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data.replace(old, new) if old else data)


def test_servers_before_15_are_refused_with_a_sentence(postgres15: PostgresServer) -> None:
    relay = _Younger(postgres15.port)
    relay.start()
    with pytest.raises(ForeseenError) as caught:
        probe(source_of(postgres15, port=relay.port))
    assert caught.value.code == "postgresql.too_old"
    assert "runs PostgreSQL 14; 15 or later is needed." in caught.value.message


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InvalidInput):
        databases.get("oracle")
    assert databases.get("postgresql").capabilities.readers == ("local", "streamed")


def test_a_copy_of_the_data_directory_is_not_read(make_postgres, bench: Bench, workdir: Path) -> None:
    postgres: PostgresServer = make_postgres()
    copy = workdir / "copy-of-data"
    postgres.run("cp", "-a", postgres.data, postgres.folder / "copy")
    (postgres.folder / "copy").rename(copy)
    pid_file = copy / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([*lines[:2], str(int(lines[2]) - 3600), *lines[3:]]))
    with connect(address_of(postgres)) as connection:
        facts = server.facts(connection)
    assert local_access.look(postgres.data, facts).directory == postgres.data
    assert "copy or a standby" in local_access.look(copy, facts).reason
    other: PostgresServer = make_postgres(version=17)
    assert "another cluster" in local_access.look(other.data, facts).reason
    missing = local_access.look(workdir / "nowhere", facts)
    assert missing.directory is None and "cannot read" in missing.reason
    request = bench.request(postgres, "local")
    with pytest.raises(ForeseenError, match="local reader cannot be used"):
        databases.get("postgresql").prepare(
            replace(request, source=replace(request.source, data_directory=copy))
        )
    prepared = databases.get("postgresql").prepare(
        replace(request, reader="auto", source=replace(request.source, data_directory=copy))
    )
    assert prepared.reader == "streamed" and "copy or a standby" in prepared.reader_reason


class Authority:
    """A CA of our own and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key, [], authority=True)
        self.file = self._write(f"{name}.crt", self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str, names: list[x509.GeneralName]) -> tuple[Path, Path]:
        """Certificate and key files, readable by whom this process runs servers as."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(common_name, key, names, authority=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        stem = f"{self.name}-{common_name}"
        return (
            self._write(f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{stem}.key", pem),
        )

    def _sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName],
        *,
        authority: bool,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> Path:
        file = self.folder / name
        file.write_bytes(data)
        file.chmod(0o600)
        return file


@pytest.fixture
def encrypted(make_postgres, tmp_path: Path) -> tuple[PostgresServer, Authority]:
    postgres: PostgresServer = make_postgres(start=False)
    authority = Authority(tmp_path, "house-ca")
    certificate, key = authority.issue("database", [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for file, name in ((certificate, "server.crt"), (key, "server.key"), (authority.file, "root.crt")):
        target = postgres.data / name
        target.write_bytes(file.read_bytes())
        target.chmod(0o600)
        if user := unprivileged_user():
            account = pwd.getpwnam(user)
            os.chown(target, account.pw_uid, account.pw_gid)
    with (postgres.data / "postgresql.conf").open("a") as conf:
        conf.write("ssl = on\nssl_ca_file = 'root.crt'\n")
    return postgres.start(), authority


def tls_probe(postgres: PostgresServer, tls: Tls, host: str = "127.0.0.1"):
    return probe(Source("i", "n", replace(address_of(postgres), host=host, tls=tls)))


def test_tls_modes(encrypted: tuple[PostgresServer, Authority], tmp_path: Path) -> None:
    postgres, authority = encrypted
    assert tls_probe(postgres, Tls("disable")).encrypted is False
    for tls in (
        Tls("prefer"), Tls("require"), Tls("verify-ca", authority.file), Tls("verify-full", authority.file),
    ):  # fmt: skip
        found = tls_probe(postgres, tls)
        assert found.encrypted and (found.tls_protocol or "").startswith("TLSv1."), tls
    with pytest.raises(ForeseenError) as wrong_host:
        tls_probe(postgres, Tls("verify-full", authority.file), host="localhost")
    assert wrong_host.value.code == "connection.tls_host"
    stranger = Authority(tmp_path, "stranger")
    for mode in ("verify-ca", "verify-full"):
        with pytest.raises(ForeseenError) as untrusted:
            tls_probe(postgres, Tls(mode, stranger.file))
        assert untrusted.value.code == "connection.tls_untrusted"
    with pytest.raises(ForeseenError) as public:
        tls_probe(postgres, Tls("verify-full"))
    assert public.value.code == "connection.tls_untrusted"


def test_client_certificates(encrypted: tuple[PostgresServer, Authority], bench: Bench) -> None:
    postgres, authority = encrypted
    (postgres.data / "pg_hba.conf").write_text(
        "hostssl all all 127.0.0.1/32 cert\nhostssl replication all 127.0.0.1/32 cert\n"
    )
    postgres.run(postgres.bin / "pg_ctl", "-D", postgres.data, "reload")
    certificate, key = authority.issue("postgres", [])
    tls = Tls("verify-full", authority.file, certificate, key)
    address = Address("127.0.0.1", postgres.port, "postgres", None, tls=tls)
    assert probe(Source("i", "n", address)).encrypted
    with pytest.raises(ForeseenError) as refused:
        probe(Source("i", "n", replace(address, tls=Tls("verify-full", authority.file))))
    assert refused.value.code.startswith("connection.")
    request = bench.request(postgres, "streamed")
    from dataprotect.engine.backup import take_backup

    result = take_backup(replace(request, source=replace(request.source, address=address)), bench.repository)
    assert bench.sealed() == [result.backup_id]


@pytest.mark.parametrize(
    "tls",
    [Tls("verify-ca"), Tls("verify-full", Path("/nowhere/ca.crt")), Tls("require", None, Path("/nowhere"))],
)
def test_missing_tls_files_are_told_before_anything_is_tried(tls: Tls) -> None:
    with pytest.raises(InvalidInput):
        probe(Source("i", "n", Address("127.0.0.1", 1, "postgres", tls=tls)))
