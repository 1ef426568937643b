#!/bin/sh
# Installs edgerun from this folder, without a network: sh install.sh [FOLDER]   (default: edgerun in your home folder)
# First every file is checked against SHA256SUMS, at the end a known scan is examined.
set -eu

stick=$(cd "$(dirname "$0")" && pwd)
to=${1:-$HOME/edgerun}
fail() { echo "install.sh: $1" >&2; exit 1; }

cd "$stick"
[ -r SHA256SUMS ] || fail "there is no SHA256SUMS beside it. Copy the whole folder again."
echo "1 of 5  checking every file"
sha256sum --check --quiet --strict SHA256SUMS || fail "a file is damaged or missing. Copy the whole folder again."

{ read -r version; read -r machine; } < made-for.txt
echo "2 of 5  looking for Python $version on $machine"
[ "$(uname -m)" = "$machine" ] || fail "this machine is $(uname -m), the stick is made for $machine. Take the other stick."
python=${PYTHON:-python$version}
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    fail "there is no $python here. Take the stick made for this machine's Python: python3 --version tells it."
[ "$found" = "$version" ] || fail "$python is Python $found, the stick is made for $version. Take the other stick."

echo "3 of 5  installing into $to"
[ ! -e "$to" ] || [ -f "$to/pyvenv.cfg" ] || fail "$to is there already and is not edgerun's. Name another folder."
# The system's packages are seen too: on a Jetson, TensorRT is one of them.
"$python" -m venv --without-pip --system-site-packages "$to" ||
    fail "Python could not make the folder $to. Is the disk full, or the folder another's?"
pip() { PIP_CONFIG_FILE=/dev/null "$to/bin/python" "$(echo wheels/pip-*.whl)/pip" --isolated --no-cache-dir "$@"; }
pip install --quiet --no-index --find-links wheels --no-deps --require-hashes -r requirements.txt
pip install --quiet --no-index --no-deps --force-reinstall wheels/edgerun-*.whl

echo "4 of 5  checking the model pack that comes with it"
cd "$to"
"$to/bin/edgerun" pack check chest-pneumonia

echo "5 of 5  examining a known scan"
rm -rf "$to/first-result"
"$to/bin/edgerun" infer "$stick/examples/chest-pneumonia-0000.dcm" --out "$to/first-result"
echo
echo "edgerun is installed. To use it in this window:  . $to/bin/activate"
