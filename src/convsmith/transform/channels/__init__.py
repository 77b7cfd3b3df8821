"""Which channels of a network must be removed together, computed from its ops alone; and the network without some.

channels = channels_of(network)
smaller = without(channels, {0, 1, 2})
"""

from convsmith.transform.channels.channels import KEPT, Channels, Kept, Slot, channels_of
from convsmith.transform.channels.cut import without

__all__ = ["KEPT", "Channels", "Kept", "Slot", "channels_of", "without"]
