# Servers where namespaces are not allowed: sshd's of this user at ports of
# 127.0.0.1, each with a home directory and runit of its own; lab/servers sources this.
# shellcheck shell=bash

login() { id -un; }
# shellcheck disable=SC2088 # the server's shell expands it
root() { echo '~/app'; }
endpoint() { echo "127.0.0.1 $(ssh_port "$1")"; }

# settings: runit instead of systemd, and a port for each server.
settings() {
  cat <<'EOF'

# This machine allows no namespaces: the servers are directories of one machine.
APP_USER=$(id -un)
DELIVER_TO='~/app'
SUPERVISOR=runit
unset HEALTH_URL
HEALTH_CMD='curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$(cat ~/port)/healthz"'
EOF
}

prepare() { if [ "$(id -u)" = 0 ]; then mkdir -p /run/sshd; fi; }

start() { # I [S3_URL]
  local dir=$LAB/h$1
  mkdir -p "$dir/home/app" "$dir/ssh" "$dir/service"
  app_port "h$1" >"$dir/home/port"
  sshd "$1"
  # Without a release it waits for the restart that comes with the first one.
  service "$dir" app "[ -e ~/app/current ] || exec sleep infinity
cd ~/app/current && PORT=\$(cat ~/port) exec ./app start"
  if [ -n "${2:-}" ]; then first_boot "$dir" "$2"; fi
  begin "h$1" env "LAB_SERVER=$dir" HOME="$dir/home" SVDIR="$dir/service" runsvdir -P "$dir/service"
}

sshd() { # I: logins find themselves in the server's home, and its services
  local dir=$LAB/h$1
  host_key "$1" "$dir/ssh/key"
  cat >"$dir/ssh/sshd_config" <<EOF
ListenAddress 127.0.0.1:$(ssh_port "$1")
HostKey $dir/ssh/key
AuthorizedKeysFile $LAB/keys/deploy.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
SetEnv HOME=$dir/home SVDIR=$dir/service LAB_SERVER=$dir LAB_PART=$LAB
EOF
  service "$dir" sshd "exec /usr/sbin/sshd -D -e -f '$dir/ssh/sshd_config'"
}

# service DIR NAME SCRIPT: runit runs SCRIPT, again whenever it ends.
service() {
  mkdir -p "$1/service/$2"
  printf '#!/bin/sh\n%s\n' "$3" >"$1/service/$2/run"
  chmod +x "$1/service/$2/run"
}

# first_boot DIR S3_URL: as cloud-init would do it, installs the newest good release once.
first_boot() {
  install -m 600 "$LAB/store/s3cfg" "$1/home/.s3cfg"
  service "$1" install "deliver install --from $2 --app sample --deliver-to ~/app --supervisor runit --service app \\
  --health-cmd 'curl -fsS -m 5 -o /dev/null \"http://127.0.0.1:\$(cat ~/port)/healthz\"' && exec sv down install"
}

inside() { # I COMMAND...
  local dir=$LAB/h$1
  shift
  (cd "$dir/home" && HOME=$dir/home SVDIR=$dir/service exec "$@")
}

log_of_app() { cat "$LAB/h$1.log"; } # I

# inhabitants I: by the mark in their environment; an sshd writes its title over it.
inhabitants() {
  {
    grep -lszxF "LAB_SERVER=$LAB/h$1" /proc/[0-9]*/environ || true
    grep -lsaF "$LAB/h$1/ssh/sshd_config" /proc/[0-9]*/cmdline || true
  } | cut -d/ -f3 | sort -u
}

remove() { :; }
remains() { :; }
clear_up() { :; }
