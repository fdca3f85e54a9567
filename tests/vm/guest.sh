# Runs in the guest: a real kernel's camera, sound cards and CEC adapters, and the drivers' own life with them.
# PYTHON and ROOT are set in /out/where.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
. /out/where
cd "$ROOT"
ip link set lo up
# The rules of the mini-PC, filled in for the devices here; vivid's camera gets the serial number that it lacks.
sed -e 's/^#ACTION/ACTION/' -e 's/Maker_Serial_0001/QEMU_QEMU_USB_SERIAL_0001/' \
  -e 's/Maker_Microphone_0001/QEMU_QEMU_USB_Audio_0001/' deploy/udev/70-estrade.rules >/etc/udev/rules.d/70-estrade.rules
echo 'SUBSYSTEM=="video4linux", ATTR{name}=="vivid-000-*", ENV{ID_SERIAL}="Maker_Camera_0001"' \
  >/etc/udev/rules.d/65-guest.rules
/lib/systemd/systemd-udevd --daemon >/dev/null 2>&1
stty -F /dev/ttyS1 raw -echo
modprobe xhci_pci
# A camera, and a capture card with HDMI.
modprobe vivid n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x3
udevadm settle -t 30
run() { # run NAME: the program's object, words and status are NAME.json, NAME.err and NAME.status in /out
  "$PYTHON" -m "tests.vm.$1" >"/out/$1.json" 2>"/out/$1.err"
  echo $? >"/out/$1.status"
}
run guest
# The same kernel with CEC adapters: a television on the one, our driver on the other.
modprobe -r vivid
modprobe vivid n_devs=2 node_types=0x1,0x101 num_inputs=1,1 input_types=0x0,0x3 num_outputs=0,1 output_types=0,1
udevadm settle -t 30
cec-ctl -d /dev/cec0 --tv >/dev/null
cec-follower -d /dev/cec0 >/dev/null 2>&1 &
sleep 1
run guest_cec
echo 0 >/out/status
busybox poweroff -f
