#!/usr/bin/env bash
# Puts @tensorflow/tfjs-node into node_modules with a real libtensorflow, where its own download (storage.googleapis.com) cannot be
# reached: the library and its headers come out of PyPI's tensorflow-cpu, the binding is compiled from the package's sources.
# Needs a C++ compiler, Node's headers and pip; `npm ci` takes it away again. With it, test/learning/tfjs.test.ts runs on both.
set -euo pipefail
cd "$(dirname "$0")/../../.."
tensorflow=2.15.1
version=$(node -p 'require("./package.json").optionalDependencies["@tensorflow/tfjs-node-gpu"]')
headers=$(node -p 'require("path").resolve(process.execPath, "../../include/node")')
[ -f "$headers/node_api.h" ] || { echo "$headers lacks Node's headers"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 \
  --dest "$work" "tensorflow-cpu==$tensorflow"
npm pack --silent --pack-destination "$work" "@tensorflow/tfjs-node@$version" >/dev/null
tar -xzf "$work"/tensorflow-tfjs-node-*.tgz -C "$work"
python3 - "$work" <<'EOF'
import glob, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
wanted = ("tensorflow/libtensorflow_", "tensorflow/include/tensorflow/c/", "tensorflow/include/tensorflow/core/", "tensorflow/include/tsl/")
wheel.extractall(sys.argv[1], [name for name in wheel.namelist() if name.startswith(wanted)])
EOF

package=$work/package
mkdir -p "$package/deps/lib" "$package/lib/napi-v8"
mv "$work"/tensorflow/libtensorflow_* "$package/deps/lib"
g++ -O1 -std=c++17 -fPIC -shared -DNAPI_VERSION=8 -I"$package" -I"$headers" -I"$work/tensorflow/include" \
  "$package"/binding/tfjs_backend.cc "$package"/binding/tfjs_binding.cc -o "$package/lib/napi-v8/tfjs_binding.node" \
  -L"$package/deps/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,'$ORIGIN/../../deps/lib'
rm -rf node_modules/@tensorflow/tfjs-node
mv "$package" node_modules/@tensorflow/tfjs-node
node -e 'const tf = require("@tensorflow/tfjs-node"); console.log(`tfjs-node ${tf.version["tfjs-node"]} on TensorFlow ${tf.backend().binding.TF_Version}`)' 2>/dev/null
