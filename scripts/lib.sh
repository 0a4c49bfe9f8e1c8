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
