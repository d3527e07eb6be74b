"""The C ABI: fp_abi.h, which C programs include, and what implements it.

`_C_API` is the capsule that fp_abi_get() looks for.
"""

from fastpath.abi.abi import _C_API, engine_with, handle_of

__all__ = ["_C_API", "engine_with", "handle_of"]
