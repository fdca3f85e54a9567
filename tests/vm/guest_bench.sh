# Runs in the guest: one row of benchmarks.hotplug. PYTHON, ROOT, ROW and TIMES are set in /out/where.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
. /out/where
cd "$ROOT"
ip link set lo up
sed -e 's/^#ACTION/ACTION/' deploy/udev/70-estrade.rules >/etc/udev/rules.d/70-estrade.rules
echo 'SUBSYSTEM=="video4linux", ATTR{name}=="vivid-000-*", ENV{ID_SERIAL}="Maker_Camera_0001"' \
  >/etc/udev/rules.d/65-guest.rules
/lib/systemd/systemd-udevd --daemon >/dev/null 2>&1
case $ROW in
camera) modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 ;;
microphone) modprobe snd-aloop id=RoomMic ;;
esac
udevadm settle -t 30
"$PYTHON" -m benchmarks.plug_guest "$ROW" "$TIMES" >/out/report.json 2>/out/stderr
echo $? >/out/status
busybox poweroff -f
