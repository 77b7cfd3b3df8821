"""Networks whose shortcuts concatenate: DenseNet, U-Net."""
