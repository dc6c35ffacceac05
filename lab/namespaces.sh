# Servers in network namespaces, with systemd as pid 1; lab/servers sources this.
#
# Root file system: the shared base tree below a tmpfs of its own, so nothing is
# written to disk. Addresses: LAB_NET.I.
# shellcheck shell=bash
BASE=$CACHE/base
BRIDGE=${LAB_NAME}b

login() { echo deploy; }
root() { echo /srv/app; }
settings() { :; } # the sample's config is written for these servers
endpoint() { echo "$LAB_NET.$1 22"; }

prepare() {
  [ -f "$BASE/.complete" ] || die "no base tree in $BASE; run lab/requirements --install demo"
  ip link show "$BRIDGE" >/dev/null 2>&1 && return
  ip link add "$BRIDGE" type bridge
  ip addr add "$GATEWAY/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}

start() { # I [S3_URL]
  namespace "$1"
  tree "$1"
  furnish "$1"
  if [ -n "${2:-}" ]; then first_boot "$1" "$2"; fi
  begin "h$1" systemd-nspawn -q --register=no --keep-unit --boot -D "$LAB/h$1/root" --machine="$LAB_NAME-h$1" \
    --network-namespace-path="/run/netns/$LAB_NAME-h$1" --console=read-only
}

namespace() { # I
  ip netns add "$LAB_NAME-h$1"
  ip link add "${LAB_NAME}v$1" type veth peer name eth0 netns "$LAB_NAME-h$1"
  ip link set "${LAB_NAME}v$1" master "$BRIDGE" up
  ip -n "$LAB_NAME-h$1" addr add "$LAB_NET.$1/24" dev eth0
  ip -n "$LAB_NAME-h$1" link set eth0 up
  ip -n "$LAB_NAME-h$1" link set lo up
  ip -n "$LAB_NAME-h$1" route add default via "$GATEWAY"
}

tree() { # I
  local dir=$LAB/h$1
  mkdir -p "$dir"
  mount -t tmpfs -o size=2g,mode=755 "$LAB_NAME" "$dir"
  mkdir "$dir/upper" "$dir/work" "$dir/root"
  mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
}

furnish() { # I: what an operator sets up once on a server
  local root=$LAB/h$1/root
  echo "h$1" >"$root/etc/hostname"
  echo "127.0.1.1 h$1" >>"$root/etc/hosts"
  user "$root"
  rm -f "$root"/etc/ssh/ssh_host_*
  host_key "$1" "$root/etc/ssh/ssh_host_ed25519_key"
  units "$root"
}

user() { # ROOT
  echo 'deploy:x:2000:2000::/home/deploy:/bin/bash' >>"$1/etc/passwd"
  echo 'deploy:x:2000:' >>"$1/etc/group"
  echo 'deploy:*:19000:0:99999:7:::' >>"$1/etc/shadow"
  install -d -o 2000 -g 2000 "$1/home/deploy" "$1/srv/app"
  install -d -m 700 -o 2000 -g 2000 "$1/home/deploy/.ssh"
  install -m 600 -o 2000 -g 2000 "$LAB/keys/deploy.pub" "$1/home/deploy/.ssh/authorized_keys"
  cat >"$1/etc/sudoers.d/deploy" <<'EOF'
deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart app, /usr/bin/systemctl restart app.service, /usr/bin/systemctl daemon-reload, /usr/bin/systemctl stop app, /usr/bin/systemctl stop app.service
EOF
  chmod 440 "$1/etc/sudoers.d/deploy"
}

units() { # ROOT
  local masked
  for masked in getty@tty1.service console-getty.service systemd-resolved.service systemd-networkd.service \
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer dpkg-db-backup.timer; do
    ln -sfn /dev/null "$1/etc/systemd/system/$masked"
  done
  cat >"$1/etc/systemd/system/app.service" <<EOF
[Unit]
Description=the sample app
ConditionPathExists=/srv/app/current
[Service]
User=deploy
WorkingDirectory=/srv/app/current
Environment=PORT=3000
ExecStart=/srv/app/current/app start
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
EOF
  enable "$1" app.service
}

enable() { # ROOT UNIT
  mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
  ln -sfn "/etc/systemd/system/$2" "$1/etc/systemd/system/multi-user.target.wants/$2"
}

# first_boot I S3_URL: what cloud-init would put on a new server: deliver, the
# store's credentials, and a unit that installs the newest good release.
first_boot() {
  local root=$LAB/h$1/root
  install -m 755 "$(command -v deliver)" "$root/usr/local/bin/deliver"
  install -m 600 -o 2000 -g 2000 "$LAB/store/s3cfg" "$root/home/deploy/.s3cfg"
  cat >"$root/etc/systemd/system/deliver-install.service" <<EOF
[Unit]
Description=install the newest good release
After=network.target
[Service]
Type=oneshot
User=deploy
ExecStart=/usr/local/bin/deliver install --from $2 --app sample --to /srv/app --supervisor systemd --service app --health-url http://127.0.0.1:3000/healthz
[Install]
WantedBy=multi-user.target
EOF
  enable "$root" deliver-install.service
}

inside() { # I COMMAND...
  local i=$1 init
  shift
  init=$(pgrep -P "$(cat "$LAB/h$i.pid")" | head -1)
  nsenter -t "$init" -m -u -i -n -p -- "$@"
}

log_of_app() { inside "$1" journalctl --no-pager -o cat -u app; } # I

# inhabitants I: the processes whose file system is the server's, known by its
# overlay; they outlive an nspawn that was killed.
inhabitants() {
  local upper
  upper=$(printf %s "$LAB/h$1/upper" | sed 's/[][\.*^$+?(){}|]/\\&/g')
  { grep -lsE "^([^ ]+ ){4}/ .*[ ,]upperdir=$upper," /proc/[0-9]*/mountinfo || true; } | cut -d/ -f3
}

remove() { # I: what is left when nothing runs there any more
  if mountpoint -q "$LAB/h$1"; then until_true 5 umount -R "$LAB/h$1" || umount -R -l "$LAB/h$1"; fi
  ip netns del "$LAB_NAME-h$1" 2>/dev/null || true
  ip link del "${LAB_NAME}v$1" 2>/dev/null || true
}

remains() { { ip netns list 2>/dev/null || true; } | { grep -oE "^$LAB_NAME-h[0-9]+" || true; } | sed 's/.*-//'; }

clear_up() { ip link del "$BRIDGE" 2>/dev/null || true; }
