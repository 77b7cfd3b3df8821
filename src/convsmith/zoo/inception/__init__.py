"""Networks of towers side by side: GoogLeNet, Inception, Xception."""
