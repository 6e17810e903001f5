"""TLS in front of the service, with a certificate made for the moment.

The suite speaks to https addresses alone. Behind it, the service listens as behind any proxy.
"""

import asyncio
import contextlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Front:
    """A port of this machine that speaks TLS, and passes all bytes on to `port`, once it is set."""

    def __init__(self, certificate: Path) -> None:
        self.port: int | None = None
        self.own_port = 0
        self._certificate = certificate
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Listen while the context lasts."""
        _write_certificate(self._certificate)
        listening = threading.Event()
        thread = threading.Thread(target=self._serve, args=[listening], daemon=True)
        thread.start()
        listening.wait()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    def _serve(self, listening: threading.Event) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        context.set_ciphers("ECDHE+AESGCM")  # those of RFC 9325 section 4.2, for TLS 1.2
        server = self._loop.run_until_complete(
            asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=context)
        )
        self.own_port = server.sockets[0].getsockname()[1]
        listening.set()
        self._loop.run_forever()
        self._loop.run_until_complete(_end(asyncio.all_tasks(self._loop)))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            to, back = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.gather(_pour(reader, back), _pour(to, writer))


async def _end(connections: "set[asyncio.Task[None]]") -> None:
    for one in connections:
        one.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(local), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
