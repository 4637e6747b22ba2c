"""Keys and tokens of a pretend issuer."""

import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwks(**keys: Any) -> dict[str, Any]:
    """A set of public keys by their ids."""
    found = []
    for kid, key in keys.items():
        algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        found.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return {"keys": found}


def token(key: Any = None, *, alg: str = "RS256", kid: str | None = "one", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of the issuer; a claim of None is left out."""
    now = time.time()
    values = {"iss": "https://issuer.example", "aud": "gateway", "sub": "team-a", "iat": now, "exp": now + 300, **claims}
    head = {**({"kid": kid} if kid else {}), **(headers or {})}
    return jwt.encode({k: v for k, v in values.items() if v is not None}, rsa_key() if key is None else key, algorithm=alg, headers=head)
