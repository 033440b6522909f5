// Gets a token as any program does that uses its machine's identity, and prints it.

import { ManagedIdentityCredential } from "@azure/identity";

const credential = new ManagedIdentityCredential();
const { token } = await credential.getToken("https://management.azure.com/.default");
console.log("token", token);
