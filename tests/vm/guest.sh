# Runs in the guest: a real kernel's camera, and the driver's own life with it. PYTHON and ROOT are set in /out/where.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
. /out/where
cd "$ROOT"
ip link set lo up
modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0
"$PYTHON" tests/vm/guest.py >/out/report.json 2>/out/stderr
echo $? >/out/status
busybox poweroff -f
