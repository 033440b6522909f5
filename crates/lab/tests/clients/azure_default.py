"""Gets a token as a program does that runs on a developer's machine too, and prints it."""

from azure.identity import DefaultAzureCredential

credential = DefaultAzureCredential()
print("token", credential.get_token("https://vault.azure.net/.default").token)
