// Gets a token as a program does that runs on a developer's machine too, and prints it.

import { DefaultAzureCredential } from "@azure/identity";

const credential = new DefaultAzureCredential();
const { token } = await credential.getToken("https://vault.azure.net/.default");
console.log("token", token);
