"""Gets a token as any program does that uses its machine's identity, and prints it."""

import logging

from azure.identity import ManagedIdentityCredential

# Names each connection and each status; no header and no body.
logging.basicConfig()
logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)

credential = ManagedIdentityCredential()
print("token", credential.get_token("https://management.azure.com/.default").token)
