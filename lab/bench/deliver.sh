# How the benchmarks call deliver: an app without a service, a state and a cache that begin empty.
# shellcheck shell=bash
export DELIVER_TO=$ROOT APP=shop APP_USER=deploy SUPERVISOR=none SSH_CONFIG=$LAB/ssh_config KNOWN_HOSTS=$LAB/known_hosts
export XDG_STATE_HOME=$WORK/state XDG_CACHE_HOME=$WORK/cache HOME=$WORK
HOSTS=$(paste -sd, "$HOSTS_FILE")
export HOSTS

push() {
  mkdir -p "$WORK/project"
  cd "$WORK/project" || exit
  deliver push --plain --build "$TAR" --release-id "$BUILD" >"$WORK/log" 2>&1 || {
    cat "$WORK/log" >&2
    exit 1
  }
}
