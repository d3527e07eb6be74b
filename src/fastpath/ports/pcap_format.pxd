# Layouts of capture files, as they lie in the file in the byte order of the host that wrote it.
# Classic pcap: draft-ietf-opsawg-pcap, 4 and 5. pcapng: draft-ietf-opsawg-pcapng, 3 and 4. Network
# Monitor, always little-endian: the header is Microsoft's CAPTUREFILE_HEADER_VALUES.
# Sizes are asserted in pcap_file.pyx, pcapng_file.pyx and netmon_file.pyx.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<byteswap.h>" nogil:
    uint16_t swap16 "bswap_16"(uint16_t value)
    uint32_t swap32 "bswap_32"(uint32_t value)
    uint64_t swap64 "bswap_64"(uint64_t value)

cdef extern from "<endian.h>" nogil:
    uint16_t le16 "le16toh"(uint16_t value)
    uint32_t le32 "le32toh"(uint32_t value)
    uint64_t le64 "le64toh"(uint64_t value)

cdef enum:
    # More than any capturing program takes of one packet (libpcap's MAXIMUM_SNAPLEN): what claims
    # more is damage. The snapshot length in the headers is not compared with: programs that join
    # captures leave it wrong.
    MAXIMUM_SNAPLEN = 262144

    PCAP_MICROSECONDS = 0xA1B2C3D4
    PCAP_NANOSECONDS = 0xA1B23C4D

    NETMON_1 = 0x53535452             # "RTSS"
    NETMON_2 = 0x55424D47             # "GMBU"

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

# | magic | minor major | media | start | table offset | table length | ... |           32 octets
cdef packed struct netmon_file_t:
    uint32_t magic
    uint8_t minor
    uint8_t major
    uint16_t media
    uint16_t start[8]             # SYSTEMTIME: year, month, weekday, day, hour .. millisecond
    uint32_t table_offset
    uint32_t table_length

cdef packed struct netmon_frame1_t:                                                 # 8 octets
    uint32_t milliseconds         # since the start
    uint16_t length
    uint16_t captured

cdef packed struct netmon_frame2_t:                                                 # 16 octets
    uint64_t microseconds
    uint32_t length
    uint32_t captured

# Behind the frame from 2.1 on: 2 octets, 6 from 2.2 on, 15 from 2.3 on.
cdef packed struct netmon_trailer_t:
    uint16_t media
    uint32_t process
    uint64_t filetime             # 100 ns since 1601
    uint8_t zone

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
