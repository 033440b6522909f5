"""Gets tokens as a program does whose machine has several identities, and prints whose they are."""

import jwt
from azure.identity import ManagedIdentityCredential

for client in (None, "dddddddd-eeee-4fff-8000-111111111111"):
    credential = ManagedIdentityCredential(client_id=client)
    token = credential.get_token("https://management.azure.com/.default").token
    claims = jwt.decode(token, options={"verify_signature": False})
    print(claims["appid"], claims["xms_mirid"].rsplit("/", 1)[1])
