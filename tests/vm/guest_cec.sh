# Runs in the guest: a real kernel's CEC adapters, a television on the one and our driver on the other.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
. /out/where
cd "$ROOT"
modprobe vivid n_devs=2 node_types=0x1,0x101 num_inputs=1,1 input_types=0x0,0x3 num_outputs=0,1 output_types=0,1
for wait in 1 2 3 4 5; do [ -e /dev/cec1 ] && break; sleep 1; done
cec-ctl -d /dev/cec0 --tv >/dev/null
cec-follower -d /dev/cec0 >/dev/null 2>&1 &
sleep 1
"$PYTHON" tests/vm/guest_cec.py >/out/report.json 2>/out/stderr
echo $? >/out/status
busybox poweroff -f
