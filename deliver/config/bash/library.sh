# What a project's config, hooks and strategies may call. All of it writes to
# stdout; error ends the run.

REQUIRED_CONFIGS=(ORIGIN_DIR STRATEGY)
OPTIONAL_CONFIGS=(APP APP_USER DELIVER_TO REFSPEC REVISION PORT)

status()          { builtin echo "-----> $*"; __log "$*"; }
hint_message()    { builtin echo -e "$*"; }
success_message() { builtin echo -e "$*"; __log "$*"; }
success()         { success_message "$@"; }
error_message()   { builtin echo -e "$*"; __log "$*"; }
error()           { error_message "$@"; exit 1; }
fail()            { error "$@"; }

upcase() {
  if (($#)); then builtin echo "${*^^}"; else tr '[:lower:]' '[:upper:]'; fi
}

begin()  { builtin echo -e "\nDELIVERING ${APP^^} WITH ${STRATEGY^^} STRATEGY\n"; __log "begin $APP"; }
finish() { success_message "\n${APP^^} DELIVERED!\n"; }

__log() {
  [[ -z ${LOG_FILE-} ]] || builtin echo "$(date) ::: $*" >>"$LOG_FILE"
}

# __exec runs a command; with -C what it prints is left out, save its errors.
__exec() {
  if [[ -n ${__deliver_silent-} ]]; then eval "$1" >/dev/null; else eval "$1"; fi
}

__exec_if_defined() {
  if declare -F "$1" >/dev/null; then "$1"; fi
}

__remote_friendly() {
  local -a words
  IFS=$', \t\n' read -r -d '' -a words <<<"$*" || true
  builtin echo "${words[*]}"
}

# __remote CMD [HOSTS] runs CMD on all hosts at the same time and waits for
# every one of them. One that fails is told at once, and ends the run once all
# have ended.
__remote() {
  local job=$1 hosts=${2:-${HOSTS_APP_USER-}} host pid failed=
  local -a pids=()
  __log "$hosts : $job"
  for host in $(__remote_friendly "$hosts"); do
    __deliver_on "$host" "$job" </dev/null &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || failed=yes
  done
  [[ -z $failed ]] || error "\n$job"
}

__deliver_on() {
  local host=$1 job=$2 status=0
  __exec '__deliver_ssh "$host" "$job"' || status=$?
  ((status == 0)) || builtin echo "FAILED $status: $host"
  return "$status"
}

__deliver_ssh() {
  local host=$1
  shift
  [[ $host != *:* ]] || host="ssh://$host"
  ssh ${__deliver_ssh_options[@]+"${__deliver_ssh_options[@]}"} -- "$host" "$@"
}
