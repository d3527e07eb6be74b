# Layouts of what is on the wire, and loads and stores that are safe at any address.
#
# Every header is one packed struct: its alignment is 1, so a pointer to it may point anywhere and
# its fields may be read in place. be16_t and be32_t fields are in network order: be16toh() and
# be32toh() at the one place where they are used. Nothing here checks a bound.

from fastpath.types cimport be16_t, be32_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<endian.h>" nogil:
    uint16_t be16toh(uint16_t value)
    uint32_t be32toh(uint32_t value)
    uint64_t be64toh(uint64_t value)
    uint16_t htobe16(uint16_t value)
    uint32_t htobe32(uint32_t value)
    uint64_t htobe64(uint64_t value)

# --- link headers ---------------------------------------------------------------------------------

# Ethernet II, 14 octets. `type` below ETHERTYPE_MIN is the length of an IEEE 802.3 frame.
#    0                 6                 12      14
#   |   destination   |     source      | type  |
cdef packed struct eth_h:
    uint8_t destination[6]
    uint8_t source[6]
    be16_t type

# IEEE 802.1Q tag, 4 octets: what follows a type of 0x8100, 0x88A8 or 0x9100.
#    0      2      4          tci: 3 bits priority, 1 drop eligible, 12 VLAN id
#   | tci  | type |
cdef packed struct vlan_h:
    be16_t tci
    be16_t type

# LINKTYPE_LINUX_SLL, 16 octets.
#    0           2        4                6         14         16
#   | direction | device | address length | address | protocol |
cdef packed struct sll_h:
    be16_t direction
    be16_t device
    be16_t address_length
    uint8_t address[8]
    be16_t protocol

# LINKTYPE_LINUX_SLL2, 20 octets.
#    0          2          4           8        10          11               12        20
#   | protocol | reserved | interface | device | direction | address length | address |
cdef packed struct sll2_h:
    be16_t protocol
    be16_t reserved
    be32_t interface
    be16_t device
    uint8_t direction
    uint8_t address_length
    uint8_t address[8]

cdef enum:
    ETHERTYPE_MIN = 0x0600
    ETHERTYPE_IPV4 = 0x0800
    ETHERTYPE_IPV6 = 0x86DD
    ETHERTYPE_VLAN = 0x8100       # IEEE 802.1Q
    ETHERTYPE_SVLAN = 0x88A8      # IEEE 802.1ad
    ETHERTYPE_SVLAN_OLD = 0x9100  # before 802.1ad, still met
    VLAN_TAGS_MAX = 2

    LOOPBACK_HEADER = 4           # LINKTYPE_NULL and LINKTYPE_LOOP: one address family
    AF_IPV4 = 2
    AF_IPV6_LINUX = 10
    AF_IPV6_BSD = 24              # NetBSD, OpenBSD
    AF_IPV6_FREEBSD = 28
    AF_IPV6_DARWIN = 30

# --- IP -------------------------------------------------------------------------------------------

# IPv4 header without options, 20 octets (RFC 791 3.1).
#    0        1     2        4    6            8     9       10         12       16        20
#   | ver ihl| tos | length | id | flags, off | ttl | proto | checksum | source | destin. |
cdef packed struct ipv4_h:
    uint8_t version_ihl
    uint8_t tos
    be16_t total_length
    be16_t id
    be16_t fragment               # IP_DF, IP_MF, IP_OFFSET
    uint8_t ttl
    uint8_t protocol
    be16_t checksum
    be32_t source
    be32_t destination

# IPv6 header, 40 octets (RFC 8200 3).
#    0              4                6             7           8        24            40
#   | ver tc label | payload length | next header | hop limit | source | destination |
cdef packed struct ipv6_h:
    be32_t version_class_label
    be16_t payload_length
    uint8_t next_header
    uint8_t hop_limit
    uint8_t source[16]
    uint8_t destination[16]

cdef enum:
    IPV4_HEADER = 20              # octets without options
    IPV4_HEADER_MAX = 60
    IPV6_HEADER = 40

    IP_DF = 0x4000                # bits of ipv4_h.fragment
    IP_MF = 0x2000
    IP_OFFSET = 0x1FFF            # in units of 8 octets

    IPOPT_END = 0                 # option types (RFC 791 3.1)
    IPOPT_NOP = 1
    IPOPT_COPIED = 0x80           # set: the option goes into every fragment

    PROTO_HOPOPTS = 0             # IPv6 hop-by-hop options
    PROTO_ICMP = 1
    PROTO_TCP = 6
    PROTO_UDP = 17
    PROTO_ROUTING = 43            # IPv6 extension headers, as the next and HOPOPTS
    PROTO_FRAGMENT = 44
    PROTO_DCCP = 33
    PROTO_AH = 51
    PROTO_ICMP6 = 58
    PROTO_DSTOPTS = 60
    PROTO_SCTP = 132
    PROTO_MOBILITY = 135
    PROTO_UDPLITE = 136
    PROTO_HIP = 139
    PROTO_SHIM6 = 140

# --- transport ------------------------------------------------------------------------------------

# UDP header, 8 octets (RFC 768).
#    0        2             4        6          8
#   | source | destination | length | checksum |
cdef packed struct udp_h:
    be16_t source
    be16_t destination
    be16_t length                 # this header included
    be16_t checksum               # 0: none was computed

# TCP header without options, 20 octets (RFC 9293 3.1).
#    0        2             4     8     12            14       16         18       20
#   | source | destination | seq | ack | off, flags  | window | checksum | urgent |
cdef packed struct tcp_h:
    be16_t source
    be16_t destination
    be32_t sequence
    be32_t acknowledgment
    be16_t offset_flags           # upper 4 bits: header length in units of 4 octets
    be16_t window
    be16_t checksum
    be16_t urgent

# ICMP header, 8 octets (RFC 792; the MTU in the lower half of `rest`: RFC 1191 4).
#    0      1      2          4      8
#   | type | code | checksum | rest |
cdef packed struct icmp_h:
    uint8_t type
    uint8_t code
    be16_t checksum
    be32_t rest

cdef enum:
    UDP_HEADER = 8
    TCP_HEADER = 20
    TCP_SYN = 0x02                # of the octet of flags
    TCPOPT_END = 0                # option kinds (RFC 9293 3.1)
    TCPOPT_NOP = 1
    TCPOPT_MSS = 2
    ICMP_HEADER = 8

    L2TP_PORT = 1701

    ICMP_ECHO_REPLY = 0
    ICMP_UNREACHABLE = 3
    ICMP_ECHO = 8
    ICMP_TIME_EXCEEDED = 11

    ICMP_UNREACHABLE_NET = 0      # codes of ICMP_UNREACHABLE
    ICMP_UNREACHABLE_HOST = 1
    ICMP_UNREACHABLE_PORT = 3
    ICMP_FRAGMENTATION_NEEDED = 4
    ICMP_PROHIBITED = 13          # RFC 1812 5.2.7.1

    ICMP6_UNREACHABLE = 1         # RFC 4443; types below ICMP6_QUERY are errors
    ICMP6_TOO_BIG = 2
    ICMP6_TIME_EXCEEDED = 3
    ICMP6_QUERY = 128
    ICMP6_ECHO = 128
    ICMP6_ECHO_REPLY = 129
    ICMP6_REDIRECT = 137          # RFC 4861 4.5

    ICMP6_NO_ROUTE = 0            # codes of ICMP6_UNREACHABLE
    ICMP6_PROHIBITED = 1

# --- L2TP and PPP ---------------------------------------------------------------------------------

# L2TPv2 header, 6 to 14 octets and the offset padding (RFC 2661 3.1):
#    0       2          2 or 4      4 or 6       (S)  (S)  (O)
#   | flags | [length] | tunnel id | session id | [ns | nr] | [offset size | padding] |
# flags:  T L x x  S x O P  x x x x  Ver
cdef enum:
    L2TP_T = 0x8000               # control message
    L2TP_L = 0x4000               # Length is there
    L2TP_S = 0x0800               # Ns and Nr are there
    L2TP_O = 0x0200               # Offset Size is there
    L2TP_P = 0x0100               # priority (data only)
    L2TP_VERSION_MASK = 0x000F
    L2TP_VERSION = 2
    L2TP_VERSION_L2F = 1          # RFC 2341
    L2TP_VERSION_3 = 3            # RFC 3931
    L2TP_HEADER_MIN = 6
    L2TP_HEADER_MAX = 14          # without offset padding
    L2TP_CONTROL_HEADER = 12

    PPP_ADDRESS = 0xFF            # all stations (RFC 1662 3.1)
    PPP_CONTROL = 0x03            # unnumbered information
    PPP_HEADER_MAX = 4
    CHDLC_UNICAST = 0x0F          # address octet of Cisco HDLC, its control octet is 0
    CHDLC_BROADCAST = 0x8F

    PPP_IPV4 = 0x0021             # protocol numbers
    PPP_IPV6 = 0x0057
    PPP_IPCP = 0x8021
    PPP_IPV6CP = 0x8057
    PPP_LCP = 0xC021
    PPP_PAP = 0xC023
    PPP_CHAP = 0xC223

# --- loads and stores -----------------------------------------------------------------------------
# memcpy of a constant size is one move instruction, at any alignment and without an aliasing trap.


# In memory's order, for sums.
cdef inline uint16_t load_16(const uint8_t* at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, at, sizeof(value))
    return value


cdef inline void store_16(uint8_t* at, uint16_t value) noexcept nogil:
    memcpy(at, &value, sizeof(value))


cdef inline uint16_t load_be16(const uint8_t* at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, at, sizeof(value))
    return be16toh(value)


cdef inline uint32_t load_be32(const uint8_t* at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, sizeof(value))
    return be32toh(value)


cdef inline uint64_t load_be64(const uint8_t* at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, sizeof(value))
    return be64toh(value)


cdef inline void store_be16(uint8_t* at, uint16_t value) noexcept nogil:
    value = htobe16(value)
    memcpy(at, &value, sizeof(value))


cdef inline void store_be32(uint8_t* at, uint32_t value) noexcept nogil:
    value = htobe32(value)
    memcpy(at, &value, sizeof(value))


cdef inline void store_be64(uint8_t* at, uint64_t value) noexcept nogil:
    value = htobe64(value)
    memcpy(at, &value, sizeof(value))
