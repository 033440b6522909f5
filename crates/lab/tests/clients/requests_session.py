"""Asks over one session until the file exists that it is told of, and counts the answers."""

import logging
import pathlib
import sys
import time

import requests
from requests.adapters import HTTPAdapter, Retry

# Each retry is a warning.
logging.basicConfig()
retry = Retry(total=20, backoff_factor=0.1, backoff_max=1)
session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=retry))
session.headers["Metadata"] = "true"

enough = pathlib.Path(sys.argv[1])
answered = 0
while not enough.exists():
    answer = session.get("http://169.254.169.254/metadata/instance?api-version=2021-02-01", timeout=10)
    answer.raise_for_status()
    answered += 1
    print("answered", answered, flush=True)
    time.sleep(0.01)
