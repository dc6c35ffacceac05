# Process 1 of a machine: NAME ADDRESS DIR, the name as $0.
mount -t proc proc /proc
mount -t tmpfs run /run
mkdir /run/sshd
[ ! -e "$2/clock" ] || cp "$2/clock" /run/clock-skew
hostname "$0"
ip link set lo up
read -r _ # the network card is there
ip -batch - <<NETWORK
address add $1/16 dev eth0
link set eth0 up
neigh add 10.77.255.254 lladdr 02:00:00:00:00:00 dev eth0 nud permanent
NETWORK
exec runsvdir -P "$2/service"
