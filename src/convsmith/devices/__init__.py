"""Tables of what operators take on a device, and predictions from them."""
