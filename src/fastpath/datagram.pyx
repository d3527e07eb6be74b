"""UDP datagrams that control sends through the data plane: the IP and UDP headers of a payload.

RFC 791, 8200, 768. No options, and nothing is cut here.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from fastpath.address cimport read_address
from fastpath.checksum cimport (
    ipv4_header_seal, pseudo_sum6, sum_octets, udp_checksum_of)
from fastpath.types cimport INET, INET6
from fastpath.wire cimport (
    IPV4_HEADER, IPV6_HEADER, PROTO_UDP, UDP_HEADER, htobe16, htobe32, ipv4_h, ipv6_h, udp_h)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    HOPS = 64
    LONGEST = 0xFFFF


def udp_packet(str source not None, int source_port, str destination not None,
               int destination_port, bytes payload not None) -> bytes:
    """An IP packet with one datagram, all checksums filled in; its family is that of the addresses.
    Raises ValueError for what is no address or port, for addresses of two families, and for a
    payload that does not fit."""
    cdef int family = INET6 if ":" in destination else INET
    cdef uint32_t header = IPV6_HEADER if family == INET6 else IPV4_HEADER
    cdef Py_ssize_t datagram = UDP_HEADER + len(payload)
    cdef bytes packet
    cdef uint8_t* ip
    cdef udp_h* udp
    cdef uint64_t total
    if not (0 <= source_port <= 0xFFFF and 0 <= destination_port <= 0xFFFF):
        raise ValueError(f"ports {source_port} and {destination_port} are not both 0..65535")
    if datagram > LONGEST - (header if family == INET else 0):
        raise ValueError(f"a UDP datagram cannot have {datagram} octets")
    packet = PyBytes_FromStringAndSize(NULL, header + datagram)
    ip = <uint8_t*>PyBytes_AS_STRING(packet)
    if family == INET:
        total = _ipv4(ip, source, destination, <uint16_t>datagram)
    else:
        total = _ipv6(ip, source, destination, <uint16_t>datagram)
    udp = <udp_h*>(ip + header)
    udp.source = htobe16(<uint16_t>source_port)
    udp.destination = htobe16(<uint16_t>destination_port)
    udp.length = htobe16(<uint16_t>datagram)
    udp.checksum = 0
    memcpy(ip + header + UDP_HEADER, PyBytes_AS_STRING(payload), len(payload))
    total = sum_octets(<const uint8_t*>udp, <uint32_t>datagram, total)
    udp.checksum = htobe16(udp_checksum_of(total))
    return packet


cdef uint64_t _ipv4(uint8_t* ip, str source, str destination, uint16_t datagram) except? 0:
    """Writes the header; the sum of the pseudo header."""
    cdef ipv4_h* h = <ipv4_h*>ip
    memset(h, 0, sizeof(ipv4_h))
    h.version_ihl = 0x45
    h.total_length = htobe16(<uint16_t>(IPV4_HEADER + datagram))
    h.ttl = HOPS
    h.protocol = PROTO_UDP
    read_address(INET, source, <uint8_t*>&h.source)
    read_address(INET, destination, <uint8_t*>&h.destination)
    ipv4_header_seal(ip, IPV4_HEADER)
    return sum_octets(<const uint8_t*>&h.source, 8,
                      <uint64_t>htobe16(PROTO_UDP) + htobe16(datagram))


cdef uint64_t _ipv6(uint8_t* ip, str source, str destination, uint16_t datagram) except? 0:
    cdef ipv6_h* h = <ipv6_h*>ip
    h.version_class_label = htobe32(<uint32_t>6 << 28)
    h.payload_length = htobe16(datagram)
    h.next_header = PROTO_UDP
    h.hop_limit = HOPS
    read_address(INET6, source, h.source)
    read_address(INET6, destination, h.destination)
    return pseudo_sum6(h.source, PROTO_UDP, datagram)
