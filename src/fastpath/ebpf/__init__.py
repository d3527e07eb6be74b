"""What the kernel runs for us on each packet before it is ours: made here, without a compiler."""
