"""The line between room and centre: MQTT 5 with presence and request/response. The only importer of aiomqtt and paho.

One `Link` is one client of the broker with its own certificate; it lives as long as its owner lets `Link.run` run or
stays inside ``async with link.running()``, through as many connections as the network needs.
"""

from mqttlink.centre_clock import CentreClock
from mqttlink.link import Link
from mqttlink.message import Message
from mqttlink.presence import Presence
from mqttlink.settings import LinkSettings
from mqttlink.take_over import take_over

__all__ = ["CentreClock", "Link", "LinkSettings", "Message", "Presence", "take_over"]
