# Calls a function of an evaluated config: fd 3 holds the bash that it was
# evaluated in, $1 is a strategy's file or empty, the rest is the call.

# Tells what a strategy needs, on stdout.
__deliver_requirements() {
  builtin printf '%s\0' "${#REQUIRED_CONFIGS[@]}" "${REQUIRED_CONFIGS[@]}" "${#OPTIONAL_CONFIGS[@]}" "${OPTIONAL_CONFIGS[@]}"
}

# A command that does not exist ends the strategy: what was written for other
# tools must not seem to have worked.
__deliver_strategy() {
  set -E
  trap '[[ $? != 127 ]] || exit 127' ERR
  begin
  run
  local result=$?
  ((result == 0)) || exit "$result"
  finish
}

builtin source /dev/fd/3 || exit 1
exec 3<&-
if [[ -n $1 ]]; then
  unset -f run
  builtin source "$1" >&2
  declare -F run >/dev/null || {
    builtin echo "$1 defines no function run" >&2
    exit 1
  }
fi
shift
[[ -z ${__deliver_debug-} ]] || set -x
"$@"
