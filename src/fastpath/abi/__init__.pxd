# The C ABI: fp_abi.h and what implements it.
