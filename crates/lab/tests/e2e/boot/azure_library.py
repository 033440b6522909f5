"""Runs cloud-init's own code for Azure without a boot: the steps that are named, in that order."""

import logging
import sys
import time

from cloudinit.sources import DataSourceAzure
from cloudinit.sources.helpers import azure

# How long releases that look at a clock try to read the metadata, in seconds.
PATIENCE = 30

# The metadata moved to a module of its own in 23.1.
IS_BEFORE_23_1 = hasattr(DataSourceAzure, "get_metadata_from_imds")


def read_instance():
    if IS_BEFORE_23_1:
        return DataSourceAzure.get_metadata_from_imds(
            retries=10,
            md_type=DataSourceAzure.MetadataType.ALL,
            api_version=DataSourceAzure.IMDS_VER_WANT,
        )
    from cloudinit.sources.azure import imds

    return imds.fetch_metadata_with_api_fallback(
        retry_deadline=time.monotonic() + PATIENCE
    )


def report_ready():
    # Later releases want to know what could eject a provisioning disk; there is none.
    more = {} if IS_BEFORE_23_1 else {"distro": None}
    azure.get_metadata_from_fabric(endpoint="168.63.129.16", **more)


def main(steps):
    # cloud-init has set up its own logging when it was imported.
    logging.basicConfig(level=logging.DEBUG, format="%(message)s", force=True)
    for step in steps:
        if step == "instance":
            # Some releases answer a refusal with nothing, others raise an error.
            found = read_instance() or sys.exit("no metadata")
            print("machine", found["compute"]["vmId"], flush=True)
        elif step == "ready":
            report_ready()
            print("reported ready", flush=True)
        else:
            sys.exit(f"unknown step {step}")


main(sys.argv[1:])
