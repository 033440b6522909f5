"""Does what a service does that gets a token: it knows the issuer's published keys, no secret."""

import json
import sys

import jwt

given = json.load(sys.stdin)
keys = jwt.PyJWKSet.from_dict(given["keys"])
key = keys[jwt.get_unverified_header(given["token"])["kid"]].key
claims = jwt.decode(
    given["token"],
    key,
    algorithms=["RS256"],
    audience=given["audience"],
    issuer=given["issuer"],
    options={"require": ["exp", "iat", "nbf", "sub", "oid"]},
)
print(claims["oid"], claims["xms_mirid"])
