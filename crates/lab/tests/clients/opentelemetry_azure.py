"""Finds out where it runs, as a program does that starts with telemetry, and prints it."""

import json

from opentelemetry.resource.detector.azure.vm import AzureVMResourceDetector

print(json.dumps(dict(AzureVMResourceDetector().detect().attributes)))
