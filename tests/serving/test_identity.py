"""Tokens of an identity provider: which are taken, and the ways to forge one that are not."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from features.errors import RecoupError
from serving.access.identity import Callers, Provider
from serving.access.keys import KeyRing

ISSUER, AUDIENCE = "https://id.example", "recoup"
SIGNERS = {
    "rsa": (rsa.generate_private_key(65537, 2048), "RS256"),
    "ec": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "ed": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
}


def public(name):
    private, algorithm = SIGNERS[name]
    held = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    return held | {"kid": name, "alg": algorithm, "use": "sig"}


def claims(**changed):
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk-7", "iat": now, "exp": now + 600, "scope": "price explain"}
    return {name: value for name, value in (given | changed).items() if value is not None}


def token(name="rsa", algorithm=None, key=None, kid=None, **changed):
    private, own = SIGNERS[name]
    return jwt.encode(claims(**changed), key or private, algorithm or own, headers={"kid": kid or name}).encode()


def unsigned(header, given):
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, given)]
    return b".".join([*parts, b""])


@pytest.fixture
def jwks(tmp_path):
    path = tmp_path / "jwks.json"
    secret = {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(b"s" * 64).decode(), "alg": "HS256"}
    path.write_text(json.dumps({"keys": [*map(public, SIGNERS), secret]}))
    return path


@pytest.fixture
def callers(home, jwks, monkeypatch):
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)
    monkeypatch.setenv("RECOUP_JWT_ISSUER", ISSUER)
    monkeypatch.setenv("RECOUP_JWT_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("RECOUP_JWT_JWKS", str(jwks))
    return settled(Callers(home))


def settled(callers):
    """Return callers once the provider's keys were read."""
    return eventually(callers, token()) and callers


def eventually(callers, shown):
    """Return whom a token stands for, once that can be said."""
    for _ in range(500):
        try:
            return callers.holder(shown)
        except RecoupError:
            time.sleep(0.01)
    raise AssertionError("the provider's keys were never read")


@pytest.mark.parametrize("name", SIGNERS)
def test_a_token_opens_the_scopes_that_it_names(callers, name):
    key = callers.holder(token(name, scope="openid price admin everything"))
    assert key.id == "jwt:desk-7" and key.scopes == ("price", "admin")
    assert callers.holder(token(name, scope=None)).scopes == ()
    assert callers.holder(token(name, aud=["other", AUDIENCE])).may("price")


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://id.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", "recoup2"]},
        {"aud": None},
        {"exp": 1},
        {"exp": int(time.time()) - 11},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e30},
        {"nbf": int(time.time()) + 600},
        {"sub": None},
        {"sub": "x" * 256},
        {"sub": 7},
    ],
)
def test_a_token_of_another_issuer_audience_or_time_opens_nothing(callers, changed):
    payload, (private, algorithm) = claims(**changed), SIGNERS["rsa"]
    signed = jwt.PyJWS().encode(json.dumps(payload).encode(), private, algorithm, headers={"kid": "rsa"})
    assert callers.holder(signed.encode()) is None


def test_a_forged_token_opens_nothing(callers):
    pem = SIGNERS["rsa"][0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = unsigned({"alg": "HS256", "kid": "rsa", "typ": "JWT"}, claims()).rstrip(b".")
    mixed = jwt.get_algorithm_by_name("HS256").sign(body, pem)
    good = token()
    head, payload, signature = good.split(b".")
    forged = [
        unsigned({"alg": "none", "kid": "rsa"}, claims()),
        unsigned({"alg": "None", "kid": "rsa"}, claims()),
        unsigned({"kid": "rsa"}, claims()),
        body + b"." + base64.urlsafe_b64encode(mixed).rstrip(b"="),
        token(algorithm="HS256", key="s" * 64, kid="shared"),
        token(key=rsa.generate_private_key(65537, 2048)),
        token("ec", kid="rsa"),
        token(algorithm="RS512"),
        head + b"." + token(scope="admin").split(b".")[1] + b"." + signature,
        head + b"." + payload + b".",
        good[:-8],
        b"a.b.c",
        b"..",
        b"",
    ]
    for shown in forged:
        assert eventually(callers, shown) is None, shown
    assert callers.holder(good)


def test_a_remembered_token_ends_with_its_time(callers):
    short = token(exp=int(time.time()) - 9)
    assert callers.holder(short)
    time.sleep(1.1)
    assert callers.holder(short) is None


def test_keys_made_here_go_on_opening(callers, home):
    made, shown = KeyRing(home).make(["dispatch"], None)
    assert callers.holder(shown.encode()) == made


def test_a_key_that_the_provider_changes_is_found_and_the_old_opens_nothing(callers, jwks, monkeypatch):
    monkeypatch.setattr(Provider, "_PAUSE_SECONDS", 0)
    rsa_two = rsa.generate_private_key(65537, 2048)
    old, new = token("rsa"), token("rsa", key=rsa_two, kid="two")
    assert callers.holder(old)
    held = jwt.get_algorithm_by_name("RS256").to_jwk(rsa_two.public_key(), as_dict=True) | {"kid": "two"}
    jwks.write_text(json.dumps({"keys": [held]}))
    assert eventually(callers, new).may("price")
    monkeypatch.setattr(Provider, "_PAUSE_SECONDS", 1_000)
    assert callers.holder(old) is None


def test_keys_are_fetched_from_an_address_and_waited_for(home, jwks, monkeypatch):
    class Provides(BaseHTTPRequestHandler):
        answers = iter([(500, b""), (200, b"{broken")])

        def do_GET(self):
            status, content = next(self.answers, (200, jwks.read_bytes()))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    monkeypatch.setattr(Provider, "_PAUSE_SECONDS", 0.05)
    server = HTTPServer(("127.0.0.1", 0), Provides)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RECOUP_JWT_ISSUER", ISSUER)
    monkeypatch.setenv("RECOUP_JWT_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("RECOUP_JWT_JWKS", f"http://127.0.0.1:{server.server_port}/keys")
    callers = Callers(home)
    with pytest.raises(RecoupError, match="could not be read yet"):
        callers.holder(token())
    assert eventually(callers, token()).may("price")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("RECOUP_JWT_AUDIENCE", "", "RECOUP_JWT_AUDIENCE as well"),
        ("RECOUP_JWT_JWKS", "http://id.example/keys", "https address"),
        ("RECOUP_JWT_JWKS", "ftp://id.example/keys", "https address"),
        ("RECOUP_JWT_JWKS", "/nowhere.json", "path of a file"),
    ],
)
def test_settings_that_make_no_sense_are_refused(callers, home, monkeypatch, variable, value, told):
    monkeypatch.setenv(variable, value)
    with pytest.raises(RecoupError, match=told):
        Callers(home)


def test_without_keys_and_provider_nobody_could_ask(home, monkeypatch):
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)
    with pytest.raises(RecoupError, match=r"RECOUP_API_KEY is not set.*recoup key create"):
        Callers(home)
