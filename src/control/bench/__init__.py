"""`dialout bench`: what is measured, against which peers, and how it is told."""
