/* The numbers of verdicts, drop reasons and counters in fp_abi.h.
 *
 * docs/generate.py writes it from verdict.pxd and counters.pxd: `make docs`.
 */
#ifndef FP_VERDICT_H
#define FP_VERDICT_H

/* declarations: from here to the mark at the end this is plain C99, for cffi too */

enum fp_verdict {
    FP_VERDICT_FORWARD = 0,             /* encapsulated over a session */
    FP_VERDICT_DELIVER = 1,             /* sent to a plain IP next hop */
    FP_VERDICT_TRIGGER = 2,             /* hit a dial-out route, or waits for the call it placed */
    FP_VERDICT_PUNT_L2TP = 3,           /* L2TP control message for the control plane */
    /* PPP frame other than IP inside a session, or ICMPv6 of its link */
    FP_VERDICT_PUNT_PPP = 4,
    FP_VERDICT_PUNT_LOCAL = 5,          /* for one of our own addresses */
    FP_VERDICT_DROP = 6,                /* discarded, for the reason that is counted beside it */
    FP_VERDICT_COUNT = 7
};

enum fp_reason {
    FP_REASON_NONE = 0,
    /* the frame around the IP packet */
    /* the capture holds less of the frame than its headers announce */
    FP_REASON_CAPTURED_SHORT = 1,
    FP_REASON_LINK_UNSUPPORTED = 2,     /* link type of the capture is none of ours */
    FP_REASON_LINK_SHORT = 3,           /* frame ends inside the link header */
    FP_REASON_VLAN_NESTING = 4,         /* more than two VLAN tags */
    FP_REASON_NOT_IP = 5,               /* an Ethernet type or PPP protocol other than IP */
    /* IP header (RFC 791, RFC 1812 5.2.2, RFC 8200) */
    FP_REASON_IP_SHORT = 6,             /* frame ends inside the IP header */
    FP_REASON_IP_VERSION = 7,           /* version nibble is not that of the family */
    FP_REASON_IP_HEADER_LENGTH = 8,     /* header length below 20 octets or behind the end */
    FP_REASON_IP_TOTAL_LENGTH = 9,      /* total length below the header or behind the end */
    FP_REASON_IP_CHECKSUM = 10,         /* header checksum is wrong */
    /* no host's address as source (RFC 1812 5.3.7, RFC 4291 2.5) */
    FP_REASON_MARTIAN_SOURCE = 11,
    FP_REASON_MULTICAST = 12,           /* multicast or broadcast destination: not forwarded */
    FP_REASON_MARTIAN_DESTINATION = 13, /* 127/8, ::, ::1 or ::ffff:0:0/96 as destination */
    /* TTL or hop limit 0 or 1 on its way to a next hop; answered by ICMP */
    FP_REASON_TTL_EXPIRED = 14,
    FP_REASON_IP6_HEADER = 15,          /* IPv6 header or payload length does not fit the frame */
    FP_REASON_LINK_LOCAL = 16,          /* fe80::/10 as source or destination: stays on its link */
    /* routing */
    FP_REASON_NO_ROUTE = 17,            /* no prefix of the table matches; answered by ICMP */
    FP_REASON_PROHIBITED = 18,          /* route to a drop adjacency */
    /* longer than the next hop's MTU and not to be fragmented */
    FP_REASON_TOO_BIG = 19,
    FP_REASON_SAME_SESSION = 20,        /* would leave by the session it arrived by */
    /* a filter of the target or a session denies it; answered by ICMP */
    FP_REASON_FILTERED = 21,
    /* hit a dial-out route whose filter does not let it place a call */
    FP_REASON_NO_TRAFFIC = 22,
    /* UDP and L2TP (RFC 2661 3.1) */
    /* fragment addressed to a tunnel address: never reassembled here */
    FP_REASON_FRAGMENT_TO_US = 23,
    FP_REASON_UDP_LENGTH = 24,          /* UDP length below 8 octets or behind the datagram */
    FP_REASON_UDP_CHECKSUM = 25,        /* UDP checksum is there and wrong */
    FP_REASON_L2TP_SHORT = 26,          /* datagram ends inside the L2TP header */
    FP_REASON_L2TP_LENGTH = 27,         /* Length field outside header..datagram */
    FP_REASON_L2TP_OFFSET = 28,         /* Offset Size points behind the message */
    FP_REASON_L2TP_CONTROL_FLAGS = 29,  /* control message without L and S, or with O or P */
    FP_REASON_L2F = 30,                 /* version 1 (RFC 2341) */
    FP_REASON_L2TPV3 = 31,              /* version 3 (RFC 3931) */
    FP_REASON_L2TP_VERSION = 32,        /* a version that nothing defines */
    FP_REASON_L2TP_NESTED = 33,         /* tunnel packet inside a session */
    FP_REASON_UNKNOWN_SESSION = 34,     /* no session has this address, tunnel id and session id */
    FP_REASON_PEER_MISMATCH = 35,       /* outer address or port is not the session's peer */
    /* PPP and the inner packet */
    FP_REASON_PPP_SHORT = 36,           /* frame ends inside the PPP header */
    /* inner source address is not routed to the session it came by */
    FP_REASON_INNER_SOURCE = 37,
    /* resources */
    FP_REASON_PUNT_FULL = 38,           /* punt ring full: control plane is behind */
    FP_REASON_PORT_GONE = 39,           /* next hop's port is not attached */
    /* sequenced data messages (RFC 2661 5.4) */
    FP_REASON_SEQUENCE_OLD = 40,        /* behind a newer one, in a session that drops such */
    FP_REASON_COUNT = 41
};

enum fp_counter {
    FP_COUNTER_RECEIVED = 0,            /* packets taken from ports; the sum of all verdicts */
    FP_COUNTER_RECEIVED_OCTETS = 1,     /* of those, as long as they were on the wire */
    /* packets handed to ports, fragments and answers included */
    FP_COUNTER_SENT = 2,
    FP_COUNTER_SENT_OCTETS = 3,         /* of those */
    FP_COUNTER_SEND_REFUSED = 4,        /* packets a port did not take */
    FP_COUNTER_DECAPSULATED = 5,        /* data messages whose inner packet was classified */
    FP_COUNTER_ENCAPSULATED = 6,        /* data messages built */
    FP_COUNTER_FRAGMENTS = 7,           /* fragments made of packets that did not fit */
    /* first of their key; with the three below: all of TRIGGER */
    FP_COUNTER_TRIGGERS_ADMITTED = 8,
    /* kept behind the first, or behind the route until its flush */
    FP_COUNTER_TRIGGERS_BUFFERED = 9,
    FP_COUNTER_TRIGGERS_DISCARDED = 10, /* control or the limits of the buffer say so */
    FP_COUNTER_TRIGGERS_MISSED = 11,    /* no room for an event or a key */
    FP_COUNTER_TRIGGERS_FLUSHED = 12,   /* buffered packets sent once the call was up */
    FP_COUNTER_TRIGGERS_DROPPED = 13,   /* buffered packets given up */
    FP_COUNTER_ICMP_SENT = 14,          /* errors and echo replies of the slow path */
    FP_COUNTER_ICMP_LIMITED = 15,       /* not sent, over the rate */
    FP_COUNTER_ICMP_UNROUTABLE = 16,    /* not sent, no way back */
    FP_COUNTER_INJECTED = 17,           /* frames sent for the control plane */
    FP_COUNTER_PUNTED = 18,             /* records handed to the control plane */
    FP_COUNTER_COUNT = 19
};

/* end of the declarations */

#endif
