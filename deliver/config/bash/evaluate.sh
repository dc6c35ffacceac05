# Runs in the bash that evaluates a project's config: $1 is the file, fd 3 gets
# what was read, as fields that each end in a NUL byte.

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || {
  builtin printf '%s\0' old "$BASH_VERSION" >&3
  exit 1
}
exec {__deliver_fd}>&3 3>&-
declare -A __deliver_lines

__deliver_emit() { builtin printf '%s\0' "$@" >&"$__deliver_fd"; }

# Remembers where a name was last assigned. What runs outside of files, such
# as these functions, bash says to be in "environment"; a trap that a signal
# set off it says to be the command that was interrupted, on line 1.
__deliver_trace() {
  [[ -n $3 && $3 != environment && $1 != __deliver_* ]] || return 0
  [[ $2 != 1 || $1 != "${__deliver_command-}" ]] || return 0
  __deliver_at=$3:$2 __deliver_command=$1
  local name=${1%%=*}
  [[ $name != "$1" ]] || return 0
  name=${name%+}
  case $name in
    'export '* | 'declare '* | 'readonly '* | 'typeset '*) name=${name##* } ;;
  esac
  name=${name%%\[*}
  case $name in
    '' | *[!A-Za-z0-9_]*) ;;
    *) __deliver_lines[$name]=$3:$2 ;;
  esac
}

# Ends the evaluation at the first command that fails, as set -e would. Of the
# command only the first word is told: the rest may be secret. Arithmetic that
# comes to zero and read up to the end of a here-document are no failures.
__deliver_failed() {
  ((BASH_SUBSHELL == 0)) && [[ -n $3 ]] || return 0
  case $4 in '(('* | 'let '* | 'read '*-d*) return 0 ;; esac
  local word=${4%%[[:space:]]*}
  case $word in *=*) word=${word%%=*}= ;; esac
  __deliver_emit failed "$1" "$3" "$2" "$word"
  exit 1
}

__deliver_ended() { ((BASH_SUBSHELL)) || __deliver_emit exit "$1" "${__deliver_at%:*}" "${__deliver_at##*:}"; }

__deliver_special() {
  case $1 in
    BASH | BASH_* | BASHOPTS | BASHPID | COMP_* | DIRSTACK | EPOCH* | EUID | FUNCNAME | GROUPS | HISTCMD | LINENO | MACHTYPE | OPTARG | OPTERR | OPTIND | \
      PIPESTATUS | PPID | RANDOM | SECONDS | SHELLOPTS | SRANDOM | UID | _ | __deliver_*) return 0 ;;
  esac
  return 1
}

__deliver_dump() {
  local IFS=$' \t\n' __deliver_name
  for __deliver_name in $(compgen -v); do
    __deliver_special "$__deliver_name" && continue
    local -n __deliver_ref=$__deliver_name
    __deliver_emit variable "$__deliver_name" "${#__deliver_ref[@]}" "${__deliver_ref[@]}"
    unset -n __deliver_ref
  done
  for __deliver_name in "${!__deliver_lines[@]}"; do
    __deliver_emit line "$__deliver_name" "${__deliver_lines[$__deliver_name]%:*}" "${__deliver_lines[$__deliver_name]##*:}"
  done
  for __deliver_name in $(compgen -A function); do __deliver_emit function "$__deliver_name"; done
}

# Everything a later bash needs to call a function as if it were this one.
__deliver_snapshot() {
  builtin printf '%s\0' snapshot
  builtin shopt -p
  builtin printf 'cd -- %q\n' "$PWD"
  local __deliver_name IFS=$' \t\n'
  for __deliver_name in $(compgen -v); do
    __deliver_special "$__deliver_name" || declare -p "$__deliver_name"
  done 2>/dev/null
  declare -f
  builtin printf '%s\n\0' "$1"
}

trap '__deliver_ended $?' EXIT
set -ET
trap '__deliver_failed "$?" "$LINENO" "${BASH_SOURCE[0]-}" "$BASH_COMMAND"' ERR
trap '__deliver_trace "$BASH_COMMAND" "$LINENO" "${BASH_SOURCE[0]-}"' DEBUG
builtin source "$1"
trap - DEBUG ERR
[[ $(trap -p EXIT) != *__deliver_ended* ]] || trap - EXIT
set +ET
__deliver_options=$(set +o)
set +euxfvC
__deliver_dump
__deliver_emit code "$(declare -f)"
__deliver_snapshot "$__deliver_options" >&"$__deliver_fd"
__deliver_emit end
exit 0
