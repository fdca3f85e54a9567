#!/bin/bash
# run.sh FOLDER EXCHANGE SECONDS: boot what build.sh made and run EXCHANGE/guest.sh in it as root, with no network.
# EXCHANGE is /out in the guest, readable and writable from both sides. Plain emulation: no KVM is needed.
# The guest's second serial line is the machine's own monitor, so that the guest itself can plug USB devices.
# Exit status: what the guest wrote to EXCHANGE/status; 1 when it wrote none in time.
set -euo pipefail
folder=$(cd "$1" && pwd)
exchange=$(cd "$2" && pwd)
version=$(cat "$folder/version")
rm -f "$exchange/status"
cd "$exchange"  # the name of a socket must not be long
timeout --kill-after=5 "$3" qemu-system-x86_64 \
  -accel tcg,thread=multi -cpu max -smp 1 -m 1536 -display none -no-reboot -serial stdio -monitor none -nic none \
  -kernel "$folder/kernel/boot/vmlinuz-$version" -initrd "$folder/initrd.gz" \
  -append "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off estrade.modules=$folder/kernel/lib/modules" \
  -device qemu-xhci,id=usb -chardev null,id=nothing -chardev null,id=nothing2 -audiodev none,id=quiet \
  -chardev socket,id=asked,path=monitor,server=on,wait=off -mon chardev=asked \
  -chardev socket,id=asking,path=monitor -serial chardev:asking \
  -virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap" \
  -virtfs "local,path=$exchange,mount_tag=hostout,security_model=none" \
  </dev/null || true
exit "$(cat "$exchange/status" 2>/dev/null || echo 1)"
