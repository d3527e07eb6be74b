"""Many prefixes and their next hops as numpy arrays: what files hold and tables are loaded from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Routes:
    """Prefixes of one address family, as `Lpm.load` takes them."""

    family: int
    """4 or 6."""
    addresses: Array
    """Octets as in a packet, uint8 of shape (n, 4) or (n, 16); host bits are zero."""
    lengths: Array
    """Prefix lengths, shape (n,)."""
    nhs: Array
    """Next hops, shape (n,)."""

    def __len__(self) -> int:
        return len(self.lengths)

    def addresses_of(self, chosen: Array, rng: np.random.Generator) -> Array:
        """A random address in each of the prefixes with these indexes."""
        width = self.addresses.shape[1]
        noise = rng.integers(0, 256, (len(chosen), width), dtype=np.uint8)
        hosts = ~_masks(8 * width)[self.lengths[chosen]]
        return np.asarray(self.addresses[chosen] | noise & hosts)


def sorted_routes(family: int, addresses: Array, lengths: Array, nhs: Array) -> Routes:
    """The routes by address, and at equal addresses the shorter prefix first."""
    octets = np.ascontiguousarray(addresses, np.uint8)
    words = octets.view(">u4").astype(np.uint32)
    order = np.lexsort((lengths, *(words[:, i] for i in reversed(range(words.shape[1])))))
    return Routes(
        family,
        octets[order],
        np.ascontiguousarray(lengths[order], np.int64),
        np.ascontiguousarray(nhs[order], np.int64),
    )


def _masks(bits: int) -> Array:
    """The octets of a mask for each length up to `bits`."""
    return np.packbits(np.arange(bits) < np.arange(bits + 1)[:, np.newaxis], axis=1)
