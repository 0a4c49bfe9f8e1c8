# Sourced by the scripts beside it: where things are, how they speak, and how long a step took.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Everything installed for this repository alone lives here; deleting the folder only costs the next run some time.
tools=$root/.tools
python_tools=$tools/python
mkdir -p "$tools"

say() { printf '\n==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }

fail() {
  printf '\nerror: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# step TITLE COMMAND...: runs the command under a title and says how long it took.
step() {
  local title=$1 began=$SECONDS
  shift
  say "$title"
  if "$@"; then
    note "$title: $((SECONDS - began)) s"
  else
    local code=$?
    fail "$title failed after $((SECONDS - began)) s (exit $code)" "command: $*"
  fi
}

# unchanged STAMP KEY: whether the stamp holds this key, which names everything the stamped result was made from.
unchanged() { [ -f "$tools/$1.stamp" ] && [ "$(cat "$tools/$1.stamp")" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$tools/$1.stamp"; }

# digest FILE...: one key for the contents and names of the files.
digest() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

# From here on cargo lints the workspace while it compiles it, and a warning is an error. `cargo clippy` would compile all
# dependencies once more, in a way that no test can use.
lint_while_building() {
  RUSTC_WORKSPACE_WRAPPER=$(rustc --print sysroot)/bin/clippy-driver
  [ -x "$RUSTC_WORKSPACE_WRAPPER" ] || fail "clippy not found: it judges the code while it is compiled" \
    "install it with: rustup component add clippy"
  # What \`cargo clippy -- -D warnings\` tells it.
  CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
  export RUSTC_WORKSPACE_WRAPPER CLIPPY_ARGS
}

# The tests, the binary, the examples and the fuzz targets in one go: the same features, so each dependency is compiled once.
build_everything() {
  lint_while_building
  step "Building and linting" cargo build --workspace --all-targets --locked
}

# goes_with_script FOLDER: it is deleted when this script ends.
passing=()
goes_with_script() {
  passing+=("$1")
  trap 'rm -rf "${passing[@]}"' EXIT
}

# What the tests' servers write goes where no disk has them wait, if there is room for it: theirs is a disk of their own, not one that everything
# else on the machine writes to.
SCRATCH_KIB_MIN=$((4 * 1024 * 1024))
scratch_in_memory() {
  local free
  free=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1) || free=0
  if [ -n "${FANWAVE_SCRATCH:-}" ] || [ ! -w /dev/shm ] || [ "${free:-0}" -lt "$SCRATCH_KIB_MIN" ]; then return 0; fi
  FANWAVE_SCRATCH=$(mktemp -d /dev/shm/fanwave-XXXXXX)
  goes_with_script "$FANWAVE_SCRATCH"
  # Some servers run as somebody else.
  chmod 711 "$FANWAVE_SCRATCH"
  export FANWAVE_SCRATCH TMPDIR=$FANWAVE_SCRATCH
}
