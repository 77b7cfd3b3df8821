"""Charts that can be read on screen, in dark mode and in print: networks by cost and accuracy, and the zoo by year."""
