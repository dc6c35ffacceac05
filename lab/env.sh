# Where the lab keeps its things and which addresses it uses; every lab script sources this.
# shellcheck shell=bash disable=SC2034 # most of it is for those who source this
LAB_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(dirname "$LAB_HOME")
CACHE=${LAB_CACHE:-$CHECKOUT/.cache}
LAB=$(realpath -m "${LAB:-$CACHE/lab}")
# A lab has a /24 of its own, so that two labs on one machine don't meet.
LAB_NET=${LAB_NET:-10.87.0}
LAB_NAME=dlv${LAB_NET//./}          # prefix of namespaces and interfaces
GATEWAY=$LAB_NET.254                # this machine, as the servers see it
BALANCER_PORT=${BALANCER_PORT:-18087}
STORE_PORT=${STORE_PORT:-18088}
APP_PORTS=${APP_PORTS:-13000} # of servers on loopback: their apps at 13001…,
SSH_PORTS=${SSH_PORTS:-14000} # and their sshd's at 14001…
PAGE_PORT=${PAGE_PORT:-18089}
JENKINS_PORT=${JENKINS_PORT:-18090}
export LAB LAB_NET APP_PORTS SSH_PORTS BALANCER_PORT STORE_PORT PAGE_PORT JENKINS_PORT
PATH=${LAB_BIN:-$CHECKOUT/bin}:$CACHE/bin:$PATH

say() { printf '%s\n' "$*"; }
usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# begin NAME COMMAND...: starts a part of the lab. It has a session of its own,
# so that a Ctrl-C of the demo does not reach it, and a mark by which it and its
# children are known: a pid alone may be another process's by now.
begin() {
  local name=$1
  shift
  mkdir -p "$(dirname "$LAB/$name")"
  LAB_PART=$LAB setsid "$@" </dev/null >"$LAB/$name.log" 2>&1 &
  echo $! >"$LAB/$name.pid"
}

# ours PID: it is a part of this lab.
ours() { grep -qzxF "LAB_PART=$LAB" "/proc/$1/environ" 2>/dev/null; }

# alive NAME: the part still runs.
alive() { [ -s "$LAB/$1.pid" ] && ours "$(cat "$LAB/$1.pid")"; }

# log NAME: the end of what the part said.
log() { tail -5 "$LAB/$1.log"; }

# finish NAME [SECONDS]: ends the part, with force after some time.
finish() {
  if alive "$1"; then
    kill "$(cat "$LAB/$1.pid")" 2>/dev/null || true
    until_true "${2:-5}" ended "$1" || kill -9 "$(cat "$LAB/$1.pid")" 2>/dev/null || true
  fi
  rm -f "$LAB/$1.pid"
}
ended() { ! alive "$1"; }

# sweep: ends what an end by force left behind, such as the steps of a build.
sweep() {
  local environ pid
  # grep's status counts processes that ended meanwhile as errors.
  { grep -lzxF "LAB_PART=$LAB" /proc/[0-9]*/environ 2>/dev/null || true; } | while read -r environ; do
    pid=${environ#/proc/}
    kill -9 "${pid%/environ}" 2>/dev/null || true
  done
}

# until_true SECONDS COMMAND...: waits for the command to succeed.
until_true() {
  local tries=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $((tries--)) -gt 0 ] || return 1
    sleep 0.05
  done
}

# port_open HOST PORT
port_open() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# as_root COMMAND...
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# kind: "namespaces" where this machine allows them, else "loopback": the
# servers are then sshd's of this user at ports of 127.0.0.1.
kind() {
  if [ -n "${LAB_KIND:-}" ]; then
    echo "$LAB_KIND"
  elif [ -s "$LAB/kind" ]; then
    cat "$LAB/kind"
  elif [ -z "$(no_namespaces)" ]; then
    echo namespaces
  else
    echo loopback
  fi
}

# no_namespaces: why there are none; nothing if there can be.
no_namespaces() {
  if [ "${LAB_KIND:-}" = loopback ]; then
    echo 'LAB_KIND asks for none'
  elif ! as_root true 2>/dev/null; then
    echo 'neither root nor sudo'
  elif ! command -v systemd-nspawn >/dev/null; then
    echo 'no systemd-nspawn'
  elif ! as_root unshare -n -m sh -c 'mount -t tmpfs lab /mnt && mkdir /mnt/1 /mnt/2 /mnt/3 &&
      mount -t overlay lab -o lowerdir=/usr,upperdir=/mnt/1,workdir=/mnt/2 /mnt/3' 2>/dev/null; then
    echo 'namespaces or overlay mounts are not allowed'
  fi
}

# address HOST, app_port HOST: where its app listens.
address() { if [ "$(kind)" = namespaces ]; then echo "$LAB_NET.${1#h}"; else echo 127.0.0.1; fi; }
app_port() { if [ "$(kind)" = namespaces ]; then echo 3000; else echo $((APP_PORTS + ${1#h})); fi; }
ssh_port() { echo $((SSH_PORTS + $1)); }

if [ "$(kind)" = namespaces ]; then STORE_ADDRESS=$GATEWAY:$STORE_PORT; else STORE_ADDRESS=127.0.0.1:$STORE_PORT; fi
