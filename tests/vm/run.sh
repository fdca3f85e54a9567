#!/bin/bash
# run.sh FOLDER EXCHANGE SECONDS: boot what build.sh made and run EXCHANGE/guest.sh in it as root, with no network.
# EXCHANGE is /out in the guest, readable and writable from both sides. Plain emulation: no KVM is needed.
# Exit status: what the guest wrote to EXCHANGE/status; 1 when it wrote none in time.
set -euo pipefail
folder=$(cd "$1" && pwd)
exchange=$(cd "$2" && pwd)
version=$(cat "$folder/version")
rm -f "$exchange/status"
timeout --kill-after=5 "$3" qemu-system-x86_64 \
  -accel tcg,thread=multi -cpu max -smp 1 -m 1536 -display none -no-reboot -serial stdio -monitor none -nic none \
  -kernel "$folder/kernel/boot/vmlinuz-$version" -initrd "$folder/initrd.gz" \
  -append "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off estrade.modules=$folder/kernel/lib/modules" \
  -virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap" \
  -virtfs "local,path=$exchange,mount_tag=hostout,security_model=none" \
  </dev/null || true
exit "$(cat "$exchange/status" 2>/dev/null || echo 1)"
