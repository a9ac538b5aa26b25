"""TLS of a server: its certificate and key, checked before it listens."""

import ssl
from pathlib import Path
from typing import Final, NoReturn

from reka.server.errors import StartError
from reka.server.settings import Settings

_PEM: Final = "want a file in PEM form"


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Load a server's certificate and key; None for a server without TLS.

    Raises:
        StartError: A file is missing, is none of these in PEM form, is encrypted, or they do not belong together; the
            message names the setting and the file.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None:
        if key is not None:
            raise StartError("tls_key: got a key without a certificate; name the certificate, too (--tls-cert)")
        return None
    if b"-----BEGIN CERTIFICATE-----" not in _read("tls_cert", cert):
        raise StartError(f"tls_cert: {cert} holds no certificate: {_PEM}, the certificate of the server first")
    name = "tls_cert" if key is None else "tls_key"
    if b"PRIVATE KEY-----" not in _read(name, key or cert):
        more = "; name the file of the key (--tls-key)" if key is None else ""
        raise StartError(f"{name}: {key or cert} holds no private key: {_PEM}{more}")
    return _load(cert, key)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{name}: cannot read {path} ({error.strerror})") from error


def _load(cert: Path, key: Path | None) -> ssl.SSLContext:
    def refuse_password() -> NoReturn:
        raise StartError(
            f"tls_key: {key or cert} is encrypted, and a server asks for no password: write the key without one into a "
            "file that only this user can read (openssl pkey -in KEY -out FILE)"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise StartError(f"tls_key: the key in {key or cert} is not that of the certificate in {cert}") from error
        raise StartError(
            f"tls_cert: cannot load {cert}{f' with {key}' if key else ''} ({error.reason or error}): {_PEM}, whole and "
            "unchanged"
        ) from error
    return context
