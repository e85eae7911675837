#!/bin/sh
# First program of the guest: mounts its system and hands over to our agent. A failure ends it, and with it the guest.
set -e
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a $(cat /boot-modules)
mount -t ext4 -o ro /dev/vda /rootfs
mount -t tmpfs -o mode=755 layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/rootfs,upperdir=/layer/upper,workdir=/layer/work root /system
mkdir -p /system/rootfs /system/programs
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro programs /system/programs
for mounted in proc sys dev rootfs; do mount --move /$mounted /system/$mounted; done
for word in $(cat /system/proc/cmdline); do
    case $word in program=*) program=${word#program=} ;; esac
done
exec switch_root /system "/programs/$program" guest-init
