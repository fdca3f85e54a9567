#!/bin/bash
# build.sh FOLDER: make what the virtual machine boots, once: Debian's stock kernel, its modules and a small initrd.
# Needs the packages of deploy/packages/vm.txt and a configured apt; FOLDER is not committed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
if [ -z "$image" ]; then
  echo "apt knows no linux-image-amd64: run apt-get update" >&2
  exit 3
fi
version=${image#linux-image-}
if [ ! -f "kernel/boot/vmlinuz-$version" ]; then
  rm -rf kernel partial
  apt-get download -qq "$image"
  dpkg-deb -x "$image"_*.deb partial
  rm -f "$image"_*.deb
  depmod -b partial "$version"
  mv partial kernel
fi

# The modules that find the host's file system, in the order of their needs.
rm -rf initrd
mkdir -p initrd/{bin,modules,proc,sys,dev,lower,upper,root}
cp /bin/busybox initrd/bin/
install -m 755 "$here/init" initrd/init
for module in virtio_pci 9pnet_virtio 9p overlay; do
  modprobe -d "$PWD/kernel" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
  cp "$file" initrd/modules/
  basename "$file"
done >initrd/modules/list
(cd initrd && find . | cpio -o -H newc --quiet | gzip -1) >initrd.gz
rm -rf initrd
echo "$version" >version
