#!/bin/sh
# Usage: enter.sh FOLDER PROGRAM ARGUMENT…   as the first process of new network, mount and process namespaces.
# Runs PROGRAM where a gateway finds what it has fixed in its code (/certs, /sds, /var/lib/eg), and where what it insists on binding
# to every address is reached by nobody: the only network is `lo`. It also carries 198.18.0.1 (RFC 2544), since API servers refuse
# endpoints on loopback.
set -eu
folder=$1; shift
ip link set lo up
ip addr add 198.18.0.1/32 dev lo

mirror() {  # FROM TO: a folder of our own at TO that holds everything of FROM
  mount -t tmpfs none "$2"
  for entry in "$1"/* ; do
    name=${entry##*/}
    if [ "$entry" = "/mnt" ]; then mkdir "$2/$name"
    elif [ -L "$entry" ]; then cp -P "$entry" "$2/"
    elif [ -d "$entry" ]; then mkdir "$2/$name" && mount --rbind "$entry" "$2/$name"
    elif [ -f "$entry" ]; then : >"$2/$name" && mount --bind "$entry" "$2/$name"
    fi
  done
}

# The mirror of / is made in /mnt, and the one of /var/lib from the host's, before it is covered.
mirror "" /mnt
mirror /var/lib /mnt/var/lib
mkdir -p /mnt/certs /mnt/sds
mount --bind "$folder/certs" /mnt/certs
mount --bind "$folder/hosts" /mnt/etc/hosts
mount -t tmpfs none /mnt/dev/shm   # Envoy leaves a file there when it is killed, which another user's Envoy cannot open
exec chroot /mnt "$@"
