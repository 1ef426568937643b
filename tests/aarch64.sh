#!/bin/sh
# Sets up FOLDER: QEMU's user mode, a Python for 64-bit ARM from Debian 13, and edgerun's wheels for it.
# No root, no chroot, nothing outside FOLDER. QEMU 7.2 (Debian 12) crashes in numpy, so QEMU comes from Debian 13 too.
# Usage: sh tests/aarch64.sh FOLDER. Needs apt-get, dpkg-deb, Debian's archive keys, uv, and an index of packages.
set -eu

folder=$1
keys=/usr/share/keyrings/debian-archive-keyring.gpg
libraries="libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3t64 liblzma5 libbz2-1.0 libsqlite3-0 libuuid1
    libzstd1 libpython3.13-minimal libpython3.13-stdlib python3.13-minimal"

fail() { echo "Setting up $folder: $1" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || fail "this machine is $(uname -m); expected x86_64."
for tool in apt-get dpkg-deb uv; do
    command -v $tool >/dev/null || fail "there is no $tool."
done
[ -r $keys ] || fail "there is no $keys; it comes with the package debian-archive-keyring."

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/debs" "$folder/root/usr/lib" \
    "$folder/bin"
folder=$(cd "$folder" && pwd)
: > "$folder/apt/status"
echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" > "$folder/apt/sources.list"
cat > "$folder/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
APT::Architectures {"amd64"; "arm64";};
APT::Sandbox::User "";
CONF
export APT_CONFIG="$folder/apt/apt.conf"
apt-get update -qq || fail "Debian's packages cannot be reached."
(
    cd "$folder/debs"
    # shellcheck disable=SC2046,SC2086
    apt-get download -q=2 qemu-user:amd64 $(printf '%s:arm64 ' $libraries)
)
dpkg-deb --fsys-tarfile "$folder"/debs/qemu-user_*.deb | tar -xO ./usr/bin/qemu-aarch64 > "$folder/bin/qemu-aarch64"
chmod +x "$folder/bin/qemu-aarch64"
ln -sfn usr/lib "$folder/root/lib"
for package in "$folder"/debs/*_arm64.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$folder/root"
done
# Python starts its children by its own name: that of this script, which brings QEMU along.
cat > "$folder/bin/python" <<'SCRIPT'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONHOME="$here/root/usr"
exec "$here/bin/qemu-aarch64" -L "$here/root" -0 "$here/bin/python" "$here/root/usr/bin/python3.13" "$@"
SCRIPT
chmod +x "$folder/bin/python"
uv pip install --quiet --only-binary :all: --python-version 3.13 --python-platform aarch64-manylinux_2_34 \
    --target "$folder/site" --requirements "$(dirname "$0")/../pyproject.toml"
rm -rf "$folder/apt" "$folder/debs"
"$folder/bin/python" -c 'import platform; print("ready:", platform.machine(), "Python", platform.python_version())'
