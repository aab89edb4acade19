"""The pricing service as it is exposed: encrypted, asked too much, told secrets, cut off, killed."""

import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import httpx
import jwt
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from features.errors import RecoupError
from serving import bento, server
from serving.access import tls
from serving.access.keys import KeyRing
from serving.journal import Journal
from serving.journal.verification import verify
from training import registry

KEY = "a key for the tests' services"
ASKED = {"loan_ids": ["L0000007"], "moment": "2025-12-31T23:59:59Z"}
WAITING = 4


@pytest.fixture(scope="module")
def signer():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def exposed(worked, signer, tmp_path_factory):
    """The service's process, a client that trusts its certificate and has a key, and its log."""
    folder = tmp_path_factory.mktemp("exposed")
    certify(signer, folder)
    public = jwt.get_algorithm_by_name("ES256").to_jwk(signer.public_key(), as_dict=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [public | {"kid": "one"}]}))
    given = {
        "RECOUP_API_KEY": KEY, "RECOUP_MAX_WAITING": str(WAITING), "RECOUP_BODY_SECONDS": "0.5",
        "RECOUP_JOURNAL_SYNC_SECONDS": "0", "RECOUP_TLS_CERT": str(folder / "cert.pem"),
        "RECOUP_TLS_KEY": str(folder / "key.pem"), "RECOUP_JWT_ISSUER": "https://id.example",
        "RECOUP_JWT_AUDIENCE": "recoup", "RECOUP_JWT_JWKS": str(folder / "jwks.json"),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        port, log = server.free_port(), folder / "log"
        process = server.start(worked, bento.build(worked, registry.load(worked, "recovery")), port, log)
        try:
            server.wait_ready(process, port, log)
            with client(port, folder) as asking:
                yield process, asking, log
        finally:
            server.stop(process)


def certify(private, folder):
    """Write a certificate of this machine, signed by itself, and its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recoup")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def client(port, folder):
    trust = ssl.create_default_context(cafile=folder / "cert.pem")
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, headers=headers, timeout=30)


def in_time(asking, status):
    """Ask until a status is answered; the last answer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            answer = asking.post("/price", json=ASKED)
            if answer.status_code == status:
                return answer
        time.sleep(0.05)
    raise AssertionError(f"{status} was never answered")


def test_the_service_speaks_tls_only(exposed):
    _, asking, _ = exposed
    assert asking.post("/price", json=ASKED).status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(str(asking.base_url).replace("https", "http"))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{asking.base_url}/readyz")


@pytest.mark.parametrize("missing", ["RECOUP_TLS_CERT", "RECOUP_TLS_KEY"])
def test_a_certificate_without_its_key_is_refused(monkeypatch, tmp_path, missing):
    for name in ("RECOUP_TLS_CERT", "RECOUP_TLS_KEY"):
        monkeypatch.setenv(name, str(tmp_path / "none.pem" if name == missing else __file__))
    with pytest.raises(RecoupError, match=missing):
        tls.options()


def test_a_token_of_the_identity_provider_opens_its_scopes(exposed, signer):
    _, asking, _ = exposed

    def status(**changed):
        claims = {"iss": "https://id.example", "aud": "recoup", "sub": "desk", "exp": time.time() + 60}
        token = jwt.encode(claims | changed, signer, "ES256", headers={"kid": "one"})
        return asking.post("/price", json=ASKED, headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status(scope="price"), status(scope="dispatch"), status(scope="price", aud="other")] == [200, 403, 401]


def test_a_key_that_asks_too_often_waits_and_others_do_not(exposed, worked):
    _, asking, _ = exposed
    _, shown = KeyRing(worked).make(["price"], None, rate=2)
    slow = {"Authorization": f"Bearer {shown}"}
    answers = [asking.post("/price", json=ASKED, headers=slow) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429} and len(refused) >= 3
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer in refused)
    assert asking.post("/price", json=ASKED).status_code == 200
    time.sleep(int(refused[-1].headers["Retry-After"]))
    assert asking.post("/price", json=ASKED, headers=slow).status_code == 200


def test_beyond_what_may_wait_the_service_says_so_and_recovers(exposed):
    _, asking, _ = exposed
    wide = ASKED | {"loan_ids": ["L0000007"] * 200}
    with ThreadPoolExecutor(6 * WAITING) as threads:
        answers = list(threads.map(lambda _: asking.post("/price", json=wide), range(30 * WAITING)))
    assert {answer.status_code for answer in answers} == {200, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all("waiting already" in answer.json()["detail"] for answer in refused)
    with ThreadPoolExecutor(WAITING) as threads:
        again = list(threads.map(lambda _: asking.post("/price", json=ASKED), range(10 * WAITING)))
    assert {answer.status_code for answer in again} == {200}


def test_a_body_that_does_not_go_on_is_given_up(exposed):
    _, asking, _ = exposed
    head = f"POST /price HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", asking.base_url.port), timeout=30) as plain,
        trust.wrap_socket(plain) as sending,
    ):
        sending.sendall(f'{head}Content-Length: 100\r\n\r\n{{"loan_ids"'.encode())
        answer = b"".join(iter(lambda: sending.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_nothing_that_was_sent_is_in_the_log(exposed):
    _, asking, log = exposed
    marker = "SECRET4711"
    sent = [
        asking.post("/price", json=ASKED | {"loan_ids": [marker]}),
        asking.post("/price", json=ASKED | {"loan_ids": marker, marker: marker}),
        asking.post("/price", json=ASKED | {"moment": marker}),
        asking.post("/price", content=f'{{"{marker}', headers={"Content-Type": "application/json"}),
        asking.post("/price", json=ASKED, headers={"Content-Type": marker}),
        asking.post("/price", json=ASKED, headers={"Authorization": f"Bearer {marker}"}),
        asking.post("/price", json=ASKED, headers={"Authorization": f"Bearer e30.{marker}.{marker}"}),
        asking.post("/portfolio", params={"source": marker}, content=b"x", headers={"Content-Type": "text/csv"}),
        asking.get(f"/portfolio/{marker}"),
        asking.get(f"/{marker}", params={marker: marker}),
        asking.request(marker, "/price"),
    ]
    assert {answer.status_code for answer in sent} == {400, 401, 404, 415, 422}
    assert marker not in log.read_text()


def test_without_a_journal_nothing_is_answered_until_there_is_one(exposed, worked):
    _, asking, _ = exposed
    aside = worked.journal.with_name("aside")
    worked.journal.rename(aside)
    worked.journal.write_text("no folder")
    try:
        refused = in_time(asking, 503)
        assert "journal" in refused.json()["detail"] and int(refused.headers["Retry-After"]) >= 1
        assert asking.post("/price", json=ASKED).status_code == 503
        unready = asking.get("/readyz")
        assert unready.status_code == 503 and "journal" in unready.json()["detail"]
    finally:
        worked.journal.unlink()
        aside.rename(worked.journal)
    in_time(asking, 200)
    assert verify(worked).faults == []


def test_a_worker_killed_under_load_loses_no_decision_that_it_answered_and_is_replaced(exposed, worked):
    process, asking, _ = exposed
    answered, enough, over = [], threading.Event(), threading.Event()

    def ask():
        while not over.is_set():
            try:
                answer = asking.post("/price", json=ASKED)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                answered.extend(loan["decision_id"] for loan in answer.json()["loans"])
            if len(answered) > 300:
                enough.set()

    threads = [threading.Thread(target=ask) for _ in range(2 * WAITING)]
    for thread in threads:
        thread.start()
    answered_enough = enough.wait(60)
    for worker in psutil.Process(process.pid).children(recursive=True):
        worker.kill()
    over.set()
    for thread in threads:
        thread.join()
    assert answered_enough
    assert len(set(answered)) == len(answered) > 300
    journal = Journal(worked)
    assert [decision_id for decision_id in answered if not journal.find(decision_id)] == []
    assert verify(worked).faults == []
    in_time(asking, 200)
