# Layouts of capture files, as they lie in the file in the byte order of the host that wrote it.
# Classic pcap: draft-ietf-opsawg-pcap, 4 and 5. pcapng: draft-ietf-opsawg-pcapng, 3 and 4.
# Sizes are asserted in pcap_file.pyx and pcapng_file.pyx.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<byteswap.h>" nogil:
    uint16_t swap16 "bswap_16"(uint16_t value)
    uint32_t swap32 "bswap_32"(uint32_t value)
    uint64_t swap64 "bswap_64"(uint64_t value)

cdef enum:
    # More than any capturing program takes of one packet (libpcap's MAXIMUM_SNAPLEN): what claims
    # more is damage. The snapshot length in the headers is not compared with: programs that join
    # captures leave it wrong.
    MAXIMUM_SNAPLEN = 262144

    PCAP_MICROSECONDS = 0xA1B2C3D4
    PCAP_NANOSECONDS = 0xA1B23C4D

    BLOCK_SECTION = 0x0A0D0D0A        # reads the same in both byte orders
    BLOCK_INTERFACE = 1
    BLOCK_PACKET = 2                  # obsolete
    BLOCK_SIMPLE = 3
    BLOCK_ENHANCED = 6
    BLOCK_LEAST = 12                  # type, length, length again
    SECTION_ORDER = 0x1A2B3C4D

    OPTION_END = 0
    OPTION_COMMENT = 1
    OPTION_SHB_USERAPPL = 4
    OPTION_IF_NAME = 2
    OPTION_IF_TSRESOL = 9
    OPTION_IF_TSOFFSET = 14
    OPTION_EPB_FLAGS = 2

# | magic | major minor | zone | accuracy | snaplen | linktype |                      24 octets
cdef packed struct pcap_file_t:
    uint32_t magic
    uint16_t major
    uint16_t minor
    uint32_t zone
    uint32_t accuracy
    uint32_t snaplen
    uint32_t linktype             # low 16 bits; above them 10 reserved ones, then FCS length

# | seconds | fraction | captured | length |                                          16 octets
cdef packed struct pcap_record_t:
    uint32_t seconds
    uint32_t fraction
    uint32_t captured
    uint32_t length

# | type | total | ... | total |
cdef packed struct block_t:
    uint32_t type
    uint32_t total

cdef packed struct section_block_t:                                                 # 24 octets
    uint32_t type
    uint32_t total
    uint32_t order
    uint16_t major
    uint16_t minor
    uint64_t length

cdef packed struct interface_block_t:                                               # 16 octets
    uint32_t type
    uint32_t total
    uint16_t linktype
    uint16_t reserved
    uint32_t snaplen

cdef packed struct enhanced_block_t:                                                # 28 octets
    uint32_t type
    uint32_t total
    uint32_t interface
    uint32_t ts_high
    uint32_t ts_low
    uint32_t captured
    uint32_t length

cdef packed struct packet_block_t:                                                  # 28 octets
    uint32_t type
    uint32_t total
    uint16_t interface
    uint16_t drops
    uint32_t ts_high
    uint32_t ts_low
    uint32_t captured
    uint32_t length

cdef packed struct simple_block_t:                                                  # 12 octets
    uint32_t type
    uint32_t total
    uint32_t length

cdef packed struct option_t:
    uint16_t code
    uint16_t length

# Values of a file whose byte order is the other one (`swapped`) or ours.
cdef inline uint16_t order16(uint16_t value, bint swapped) noexcept nogil:
    return swap16(value) if swapped else value

cdef inline uint32_t order32(uint32_t value, bint swapped) noexcept nogil:
    return swap32(value) if swapped else value

cdef inline uint64_t order64(uint64_t value, bint swapped) noexcept nogil:
    return swap64(value) if swapped else value

cdef inline uint32_t load32(const uint8_t* at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, sizeof(value))
    return value

cdef inline uint64_t load64(const uint8_t* at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, sizeof(value))
    return value
