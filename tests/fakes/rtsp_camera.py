#!/usr/bin/python3
"""A network camera: GStreamer's RTSP server with a moving ball, sound, and a login if asked for.

Run it with Debian's own Python, where gi is: ``rtsp_camera.py PORT RATE_HZ [basic|digest USER PASSWORD]``.
Prints *ready* when it listens on 127.0.0.1. The stream is at /cam, H.264, a key picture each second.
"""

import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions first

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate={rate_hz}/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max={rate_hz}"
    " ! rtph264pay name=pay0 pt=96 config-interval=1"
    " audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0 )"
)


def guard(server: Any, factory: Any, kind: str, user: str, word: str) -> None:
    """Let in who knows the password, and nobody else."""
    auth = GstRtspServer.RTSPAuth()
    is_basic = kind == "basic"
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC if is_basic else GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if is_basic:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, word), token)
    else:
        auth.add_digest(user, word, token)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def main(port: str, rate_hz: str, *login: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(PIPELINE.format(rate_hz=rate_hz))
    server.get_mount_points().add_factory("/cam", factory)
    if login:
        guard(server, factory, *login)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main(*sys.argv[1:])
