"""What of the processor's vector instructions the data plane uses. One wheel runs everywhere: what
this machine has is found when the program starts, and each algorithm takes its best variant."""

from fastpath.simd.level import available

__all__ = ["available"]
