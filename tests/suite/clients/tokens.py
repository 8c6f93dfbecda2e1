"""Tokens and keys of PyPI's `PyJWT` and `jwcrypto`: `make` writes some of each algorithm to stdout as JSON, `check`
reads tokens with their keys from stdin and says what both libraries make of them."""

import json
import sys
import warnings

import jwt
from cryptography.hazmat.primitives import serialization as frames
from jwcrypto import jwk, jws

ALGORITHMS = {
    "HS256": {"kty": "oct", "size": 256},
    "HS384": {"kty": "oct", "size": 384},
    "HS512": {"kty": "oct", "size": 512},
    "RS256": {"kty": "RSA", "size": 2048},
    "RS384": {"kty": "RSA", "size": 2048},
    "RS512": {"kty": "RSA", "size": 2048},
    "PS256": {"kty": "RSA", "size": 2048},
    "PS384": {"kty": "RSA", "size": 2048},
    "PS512": {"kty": "RSA", "size": 3072},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "ES512": {"kty": "EC", "crv": "P-521"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
CLAIMS = {"sub": "alice", "exp": 4000000000, "roles": ["a", "b"], "name": "Grüße"}


def pems(key):
    """A private key in all the frames there are, and a public one."""
    private = key.export_to_pem(private_key=True, password=None)
    loaded = frames.load_pem_private_key(private, None)
    found = {"private": [private.decode()], "public": [key.export_to_pem().decode()]}
    if key["kty"] != "OKP":
        old = frames.PrivateFormat.TraditionalOpenSSL
        found["private"].append(loaded.private_bytes(frames.Encoding.PEM, old, frames.NoEncryption()).decode())
    if key["kty"] == "RSA":
        public = loaded.public_key().public_bytes(frames.Encoding.PEM, frames.PublicFormat.PKCS1)
        found["public"].append(public.decode())
    locked = frames.BestAvailableEncryption(b"password")
    found["locked"] = loaded.private_bytes(frames.Encoding.PEM, frames.PrivateFormat.PKCS8, locked).decode()
    return found


def make():
    made = []
    for alg, kind in ALGORITHMS.items():
        key = jwk.JWK.generate(**kind, kid=f"the key for {alg}")
        signed = jws.JWS(json.dumps(CLAIMS))
        signed.add_signature(key, alg, json.dumps({"alg": alg, "kid": key["kid"]}))
        private = json.loads(key.export())
        headers = {"kid": key["kid"]}
        tokens = {
            "jwcrypto": signed.serialize(compact=True),
            "pyjwt": jwt.encode(CLAIMS, jwt.PyJWK(private, algorithm=alg), algorithm=alg, headers=headers),
        }
        shared = kind["kty"] == "oct"
        made.append({
            "alg": alg,
            "private": private,
            "public": private if shared else json.loads(key.export_public()),
            "thumbprint": key.thumbprint(),
            "pem": None if shared else pems(key),
            "tokens": tokens,
        })
    json.dump(made, sys.stdout)


def check():
    told = []
    for case in json.load(sys.stdin):
        claims = jwt.decode(
            case["token"], jwt.PyJWK(case["key"], algorithm=case["alg"]), algorithms=[case["alg"]],
            options={"verify_aud": False},
        )
        verified = jws.JWS()
        verified.deserialize(case["token"], jwk.JWK(**case["key"]), alg=case["alg"])
        told.append({"claims": claims, "header": verified.jose_header, "same": json.loads(verified.payload) == claims})
    json.dump(told, sys.stdout)


warnings.simplefilter("error")
{"make": make, "check": check}[sys.argv[1]]()
