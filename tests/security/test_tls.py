"""`reka serve` with a certificate: nothing goes in clear text, and unusable files are named before it listens."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

import reka
from reka.cli.app import run
from reka.server.embedded import stop_local_servers
from reka.server.errors import StartError
from reka.server.settings import Settings
from reka.server.tls import tls_context
from tests.support.processes import run_reka_serve
from tests.support.servers import Start
from tests.support.tls import LOOPBACK_CERTIFICATE

OTHER_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgr7gJYbMGbhnd/ZTo
pO0lUEZd3s4hkAYVBb5VsNvFRQOhRANCAAQ/74iSLrUAc6k1Nne1tICo1iRF1D3t
aFVFcOuO32wSLCZzSBx1lUHA9xo608/10pAdi4PQwCHh0tUDaqRY/v3r
-----END PRIVATE KEY-----
"""
ENCRYPTED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgCYrWnGc7bqQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPY9j+ziog855te5NOuevz4EgZCC
VENXx1wiJSZrf5DSSQtvTqTLxKw0w1xM9BH/pOlCGIaZjvzv01PDmF+k/o+UTBFL
rdcoUtFZzSIq1mwcqtkiM0qxEGdbM7omZJDJV2415Vp4A5GsxAdfIo8Zns0b6mdZ
y0ioHe3wdEdoiEaA8+RHS8wbZe8wk1X/yOH69l5cz5UL5WBgtYvozQMbXoJVGS0=
-----END ENCRYPTED PRIVATE KEY-----
"""


def test_a_server_with_a_certificate_speaks_tls_alone(start: Start) -> None:
    url = start(tls_cert=LOOPBACK_CERTIFICATE).url
    address = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))

    with reka.Reka("any", url, ca_bundle=str(LOOPBACK_CERTIFICATE)) as client:
        answer = client.chat("The owl hunts at night. When does the owl hunt?")
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        in_clear_text = connection.recv(100)

    assert url.startswith("https://127.0.0.1:")
    assert "at night" in answer["text"]
    assert not in_clear_text.startswith(b"HTTP")


def test_the_certificate_and_the_key_may_be_in_files_of_their_own(start: Start, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    text = LOOPBACK_CERTIFICATE.read_text()
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----\n")
    cert.write_text(text[:end])
    key.write_text(text[end:])

    url = start(tls_cert=cert, tls_key=key).url

    assert requests.get(f"{url}/healthz", verify=str(LOOPBACK_CERTIFICATE)).ok


def test_the_command_line_prints_the_address_with_https(data_dir: Path) -> None:
    with run_reka_serve(data_dir, "--tls-cert", str(LOOPBACK_CERTIFICATE)) as url:
        assert url.startswith("https://127.0.0.1:")
        assert requests.get(f"{url}/healthz", verify=str(LOOPBACK_CERTIFICATE)).json() == {"ok": True}


Files = dict[str, Path]


def _files(tmp_path: Path) -> Files:
    files = {name: tmp_path / name for name in ("no-such-file", "other.pem", "encrypted.pem", "text", "cut.pem")}
    files["other.pem"].write_text(OTHER_KEY)
    files["encrypted.pem"].write_text(ENCRYPTED_KEY)
    files["text"].write_text("hello")
    files["cut.pem"].write_text(LOOPBACK_CERTIFICATE.read_text().replace("MII", "M", 1))
    return {**files, "good.pem": LOOPBACK_CERTIFICATE, "folder": tmp_path}


PROBLEMS: list[tuple[str | None, str | None, str]] = [
    ("no-such-file", None, "tls_cert: cannot read .*no-such-file"),
    ("good.pem", "no-such-file", "tls_key: cannot read .*no-such-file"),
    ("folder", None, "tls_cert: cannot read"),
    ("text", None, "tls_cert: .* holds no certificate"),
    ("other.pem", None, "tls_cert: .* holds no certificate"),
    ("good.pem", "text", "tls_key: .* holds no private key"),
    ("good.pem", "other.pem", "tls_key: the key in .*other.pem is not that of the certificate in .*loopback.pem"),
    ("good.pem", "encrypted.pem", "tls_key: .*encrypted.pem is encrypted.*openssl pkey"),
    ("cut.pem", None, "tls_cert: cannot load .*cut.pem"),
    (None, "good.pem", "tls_key: got a key without a certificate"),
]


@pytest.mark.parametrize(("cert", "key", "said"), PROBLEMS)
def test_files_that_cannot_be_used_are_named_with_the_reason(
    tmp_path: Path, cert: str | None, key: str | None, said: str
) -> None:
    files = _files(tmp_path)

    with pytest.raises(StartError, match=said):
        tls_context(Settings(tls_cert=files[cert] if cert else None, tls_key=files[key] if key else None))


def test_a_server_with_unusable_files_does_not_touch_its_data_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"

    code = run(["serve", "--port", "0", "--data-dir", str(data), "--tls-cert", str(tmp_path / "none.pem")])

    said = capsys.readouterr().err
    assert code == 1
    assert "--tls-cert: cannot read" in said
    assert said.count("\n") == 1
    assert not data.exists()


def test_an_embedded_server_speaks_no_tls_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REKA_SERVER_TLS_CERT", str(LOOPBACK_CERTIFICATE))

    with reka.Reka(base_url=f"local:{tmp_path / 'data'}") as client:
        assert client.list_datasets() == []
    stop_local_servers()
