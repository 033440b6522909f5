"""Asks by requests: one session with retries, many GETs, a HEAD, bodies of both framings."""

import logging

import requests
from requests.adapters import HTTPAdapter, Retry

IMDS = "http://169.254.169.254/metadata"
WIRESERVER = "http://168.63.129.16/machine"

# Each retry is a warning.
logging.basicConfig()
retry = Retry(total=8, backoff_factor=0.2, allowed_methods=None)
session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=retry))


def ask(method, url, **request):
    answer = session.request(method, url, timeout=10, **request)
    answer.raise_for_status()
    print(method, answer.status_code, answer.elapsed, flush=True)


for _ in range(20):
    ask("GET", f"{IMDS}/instance?api-version=2021-02-01", headers={"Metadata": "true"})
ask("HEAD", f"{IMDS}/versions", headers={"Metadata": "true"})
ask("POST", f"{WIRESERVER}?comp=health", data=b"<Health/>" * 100)
ask("POST", f"{WIRESERVER}?comp=telemetrydata", data=(b"<x/>" * 1000 for _ in range(3)))
print("all answered")
