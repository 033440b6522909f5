#!/bin/sh
# Makes a Python environment with the unmodified clients that the tests drive. Usage: python.sh FOLDER
set -eu
folder=$1
requirements=$(dirname "$0")/python-requirements.txt
stamp=$folder/requirements.installed
cmp -s "$requirements" "$stamp" && exit 0
echo "python: installing the clients of the tests into $folder"
# The system's own interpreter: users of the lab's guests, who cannot enter the caller's home, run it too.
/usr/bin/python3 -m venv --clear "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$stamp"
