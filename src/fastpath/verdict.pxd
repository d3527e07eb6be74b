# Verdicts and drop reasons: the one table of both. The names that Python, captures and reports
# show are made from these lines (REASON_TTL_EXPIRED is "ttl-expired"), so a new reason is one new
# line here; its comment is what docs/architecture.md says of it.

from libc.stdint cimport uint8_t

cpdef enum Verdict:
    VERDICT_FORWARD = 0         # encapsulated over a session
    VERDICT_DELIVER = 1         # sent to a plain IP next hop
    VERDICT_TRIGGER = 2         # hit a dial-out route, or waits for the call it placed
    VERDICT_PUNT_L2TP = 3       # L2TP control message for the control plane
    VERDICT_PUNT_PPP = 4        # PPP frame other than IP inside a session, or ICMPv6 of its link
    VERDICT_PUNT_LOCAL = 5      # for one of our own addresses
    VERDICT_DROP = 6            # discarded, for the reason that is counted beside it
    VERDICT_COUNT = 7

cpdef enum Reason:
    REASON_NONE = 0
    # the frame around the IP packet
    REASON_CAPTURED_SHORT       # the capture holds less of the frame than its headers announce
    REASON_LINK_UNSUPPORTED     # link type of the capture is none of ours
    REASON_LINK_SHORT           # frame ends inside the link header
    REASON_VLAN_NESTING         # more than two VLAN tags
    REASON_NOT_IP               # an Ethernet type or PPP protocol other than IP
    # IP header (RFC 791, RFC 1812 5.2.2, RFC 8200)
    REASON_IP_SHORT             # frame ends inside the IP header
    REASON_IP_VERSION           # version nibble is not that of the family
    REASON_IP_HEADER_LENGTH     # header length below 20 octets or behind the end
    REASON_IP_TOTAL_LENGTH      # total length below the header or behind the end
    REASON_IP_CHECKSUM          # header checksum is wrong
    REASON_MARTIAN_SOURCE       # no host's address as source (RFC 1812 5.3.7, RFC 4291 2.5)
    REASON_MULTICAST            # multicast or broadcast destination: not forwarded
    REASON_MARTIAN_DESTINATION  # 127/8, ::, ::1 or ::ffff:0:0/96 as destination
    REASON_TTL_EXPIRED          # TTL or hop limit 0 or 1 on its way to a next hop; answered by ICMP
    REASON_IP6_HEADER           # IPv6 header or payload length does not fit the frame
    REASON_LINK_LOCAL           # fe80::/10 as source or destination: stays on its link
    # routing
    REASON_NO_ROUTE             # no prefix of the table matches; answered by ICMP
    REASON_PROHIBITED           # route to a drop adjacency
    REASON_TOO_BIG              # longer than the next hop's MTU and not to be fragmented
    REASON_SAME_SESSION         # would leave by the session it arrived by
    REASON_FILTERED             # a filter of the target or a session denies it; answered by ICMP
    REASON_NO_TRAFFIC           # hit a dial-out route whose filter does not let it place a call
    # UDP and L2TP (RFC 2661 3.1)
    REASON_FRAGMENT_TO_US       # fragment addressed to a tunnel address: never reassembled here
    REASON_UDP_LENGTH           # UDP length below 8 octets or behind the datagram
    REASON_UDP_CHECKSUM         # UDP checksum is there and wrong
    REASON_L2TP_SHORT           # datagram ends inside the L2TP header
    REASON_L2TP_LENGTH          # Length field outside header..datagram
    REASON_L2TP_OFFSET          # Offset Size points behind the message
    REASON_L2TP_CONTROL_FLAGS   # control message without L and S, or with O or P
    REASON_L2F                  # version 1 (RFC 2341)
    REASON_L2TPV3               # version 3 (RFC 3931)
    REASON_L2TP_VERSION         # a version that nothing defines
    REASON_L2TP_NESTED          # tunnel packet inside a session
    REASON_UNKNOWN_SESSION      # no session has this address, tunnel id and session id
    REASON_PEER_MISMATCH        # outer address or port is not the session's peer
    # PPP and the inner packet
    REASON_PPP_SHORT            # frame ends inside the PPP header
    REASON_INNER_SOURCE         # inner source address is not routed to the session it came by
    # resources
    REASON_PUNT_FULL            # punt ring full: control plane is behind
    REASON_PORT_GONE            # next hop's port is not attached
    # sequenced data messages (RFC 2661 5.4)
    REASON_SEQUENCE_OLD         # behind a newer one, in a session that drops such
    REASON_COUNT

cdef const char* verdict_text(uint8_t verdict, uint8_t reason) noexcept nogil
