# What the scripts in peers/ have in common; each delivers a build to all servers, as people who use that tool do.
# shellcheck shell=bash disable=SC2034 # most of it is for those who source this
#
# Given: TURN (0: get ready, which is not measured; then 1 and 2: which delivery), BUILD (which build), BUILDS (where they are), HOSTS_FILE (an address a
# line), SERVERS (how many), LAB, WORK (kept from one delivery to the next), TOOLS (what pip installed).
# To do: build BUILD is complete in /srv/app/releases/BUILD, or where the tool has releases, and /srv/app/current leads to it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TAR=$BUILDS/$BUILD.tar
TREE=$BUILDS/$BUILD
SSH="ssh -F $LAB/ssh_config"
ROOT=/srv/app
RELEASE=$ROOT/releases/$BUILD
MAKE="mkdir -p $RELEASE"
FLIP="ln -sfn releases/$BUILD $ROOT/current.next && mv -T $ROOT/current.next $ROOT/current"
export HERE TAR TREE SSH ROOT RELEASE MAKE FLIP

# on_each COMMAND: runs it for all servers at once; {} is the address.
on_each() { xargs -P "$SERVERS" -I{} sh -c "$1" <"$HOSTS_FILE"; }

if [ "$TURN" = 0 ]; then
  if declare -F prepare >/dev/null; then prepare; fi
  exit
fi
