"""Rules over the headers of IP packets: sets of them, read from text, and the slow obvious lookup
that the compiled one (acl.pyx) is held against.

A set is read from ClassBench files, or from lines of our own syntax (docs/configuration.md):

    [priority N] permit|deny|interesting [counted] PROTOCOL SOURCE [port P] DESTINATION [port P]
        [flags LIST | icmp TYPE[/CODE]] [dscp N] [fragment | whole]
"""

import lzma

import numpy as np

from fastpath.types cimport INET, INET6, addr_t
from fastpath.wire cimport load_be32
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from fastpath.rule_text import RuleError, read_classbench, read_rules

_SERVICE = [("source_port", "u2"), ("destination_port", "u2"), ("flags", "u2"), ("protocol", "u1"),
            ("traffic", "u1")]
KEY4 = np.dtype([("source", "u4"), ("destination", "u4"), *_SERVICE])
"""What rules look at in an IPv4 packet, 16 octets (acl_key4_t). Addresses as numbers; flags is
TCP flags << 8, or ICMP type << 8 | code; traffic is HEADLESS | FRAGMENT | DSCP."""
KEY6 = np.dtype([("source", "u4", 4), ("destination", "u4", 4), *_SERVICE])
"""The same of an IPv6 packet, 40 octets: addresses as four words, the leading one first."""
TABLE4 = np.dtype([
    ("source", "u4"), ("source_length", "u1"), ("destination", "u4"), ("destination_length", "u1"),
    ("source_low", "u2"), ("source_high", "u2"), ("destination_low", "u2"),
    ("destination_high", "u2"), ("protocol", "u1"), ("protocol_mask", "u1"), ("flags", "u2"),
    ("flags_mask", "u2")])
"""An IPv4 rule in RuleSet.table()."""
HEADLESS = ACL_HEADLESS
"""Ports and flags are not there: a fragment behind the first, or a header that was cut."""
FRAGMENT = ACL_FRAGMENT
"""A piece of a fragmented packet, the first one included."""


cdef bint _inside(const uint32_t* address, const addr_t* prefix, int length) noexcept nogil:
    """Whether the first bits of an address, in words, are those of a prefix."""
    cdef int word = 0
    while length >= 32:
        if address[word] != load_be32(prefix.octet + 4 * word):
            return False
        word += 1
        length -= 32
    return length == 0 or (address[word] ^ load_be32(prefix.octet + 4 * word)) >> (32 - length) == 0


cdef class RuleSet:
    """Rules in order of priority: rule 0 is looked at first. Immutable."""

    def __cinit__(self, rules=(), *, str name="rules"):
        """rules: fastpath.rule_text.Rule objects."""
        cdef rule_t rule
        cdef list lines = []
        self.name = name
        for fields in rules:
            _fill(&rule, fields)
            self._append(&rule)
            lines.append(fields.line)
        self._sort(lines)

    def __dealloc__(self):
        free(self.rules)

    def __len__(self):
        return self.count

    cdef int _append(self, const rule_t* rule) except -1:
        cdef rule_t* more
        if self.count == RULES_MAX:
            raise RuleError(f"{self.name}: more than {RULES_MAX} rules")
        if self.count == self.room:
            more = <rule_t*> realloc(self.rules, (2 * self.room + 64) * sizeof(rule_t))
            if more == NULL:
                raise MemoryError("no memory for rules")
            self.rules = more
            self.room = 2 * self.room + 64
        self.rules[self.count] = rule[0]
        self.count += 1
        return 0

    cdef int _sort(self, list lines) except -1:
        """Brings the rules into order; what has no `interesting` rule takes all it permits as such.
        """
        cdef uint32_t i
        cdef bint chosen = False
        for i in range(self.count):
            chosen = chosen or self.rules[i].action & ACTION_TRAFFIC
        for i in range(self.count):
            if not chosen and self.rules[i].action & ACTION_PASS:
                self.rules[i].action |= ACTION_TRAFFIC
        order = sorted(range(self.count), key=lambda at: self.rules[<uint32_t> at].priority)
        self.origins = tuple(lines[at] for at in order)
        if order == list(range(self.count)):
            return 0
        cdef rule_t* sorted_rules = <rule_t*> malloc(self.count * sizeof(rule_t))
        if sorted_rules == NULL:
            raise MemoryError("no memory for rules")
        for i in range(self.count):
            sorted_rules[i] = self.rules[<uint32_t> order[i]]
        free(self.rules)
        self.rules = sorted_rules
        self.room = self.count
        return 0

    @staticmethod
    def classbench(lines, *, str name="rules", bint flags=True) -> RuleSet:
        """The rules of a ClassBench file, given as its lines. All permit.

        flags: False leaves the last field out, as programs do that know five fields only. RuleError
        names the line and what is wrong with it.
        """
        return RuleSet(read_classbench(lines, f"{name}:", flags), name=name)

    @staticmethod
    def parse(lines, *, str name="rules") -> RuleSet:
        """Rules in our own syntax, one a line, or in ClassBench's if the first begins with @; empty
        lines and what follows a # are left out. RuleError names the line and what is wrong with it.
        """
        return RuleSet(read_rules(lines, f"{name}:"), name=name)

    @staticmethod
    def load(path, *, bint flags=True) -> RuleSet:
        """The rules of a file: ClassBench if its first rule begins with @, else our own syntax.

        flags: as in classbench(). A name that ends in .xz is decompressed. OSError if it cannot be
        read; RuleError names file and line.
        """
        name = str(path)
        opened = lzma.open if name.endswith(".xz") else open
        try:
            with opened(path, "rt", encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
            raise RuleError(f"{name}: {error}") from None
        return RuleSet(read_rules(lines, f"{name}:", flags), name=name)

    def actions(self) -> list:
        """Of each rule, in order of priority: its action bits (1 passes, 2 traffic, 4 counted)."""
        return [self.rules[i].action for i in range(self.count)]

    def table(self):
        """The IPv4 rules as a numpy table, a copy: addresses as numbers, masks beside values."""
        cdef uint32_t i
        rows = []
        for i in range(self.count):
            rule = &self.rules[i]
            if rule.family != INET6:
                s = &rule.service
                rows.append((
                    load_be32(rule.source.octet), rule.source_length,
                    load_be32(rule.destination.octet), rule.destination_length,
                    s.source_low, s.source_high, s.destination_low, s.destination_high,
                    s.protocol, s.protocol_mask, s.flags, s.flags_mask))
        return np.array(rows, TABLE4)

    def match_array(self, int family, keys):
        """uint32 array: for each key (KEY4, KEY6) the number of the first rule that fits, or NONE.
        Looks at rule after rule.
        """
        cdef const uint8_t[::1] octets = key_octets(family, keys)
        cdef Py_ssize_t n = len(keys)
        cdef Py_ssize_t i
        cdef uint32_t[::1] found = np.empty(n, np.uint32)
        cdef const uint8_t* key
        if n:
            key = &octets[0]
            with nogil:
                for i in range(n):
                    found[i] = self._first(family, key)
                    key += sizeof(acl_key4_t) if family == INET else sizeof(acl_key6_t)
        return np.asarray(found)

    cdef uint32_t _first(self, int family, const void* key) noexcept nogil:
        """Linear search. key: acl_key4_t or acl_key6_t."""
        cdef const acl_key4_t* four = <const acl_key4_t*> key
        cdef const acl_key6_t* six = <const acl_key6_t*> key
        cdef const uint32_t* source = &four.source if family == INET else six.source
        cdef const uint32_t* destination = &four.destination if family == INET else six.destination
        # What follows the addresses is the same in both.
        cdef const acl_key4_t* rest = four
        cdef const rule_t* rule
        cdef uint32_t i
        if family != INET:
            rest = <const acl_key4_t*> (<const uint8_t*> key + sizeof(acl_key6_t)
                                        - sizeof(acl_key4_t))
        for i in range(self.count):
            rule = &self.rules[i]
            if ((rule.family == 0 or rule.family == family)
                    and _inside(source, &rule.source, rule.source_length)
                    and _inside(destination, &rule.destination, rule.destination_length)
                    and service_matches(&rule.service, rest.source_port, rest.destination_port,
                                        rest.flags, rest.protocol, rest.traffic)):
                return i
        return ACL_NONE


cdef object key_octets(int family, object keys):
    """The octets of an array of keys, checked."""
    if family != INET and family != INET6:
        raise ValueError(f"family {family} is not {INET} or {INET6}")
    kind = KEY4 if family == INET else KEY6
    if not isinstance(keys, np.ndarray) or keys.dtype != kind or keys.ndim != 1:
        raise TypeError(f"keys of family {family} are a one-dimensional array of {kind}")
    return np.ascontiguousarray(keys).view(np.uint8)


cdef int _fill(rule_t* rule, object fields) except -1:
    """The struct of a rule_text.Rule."""
    memset(rule, 0, sizeof(rule_t))
    rule.family = fields.family
    _fill_prefix(&rule.source, &rule.source_length, fields.family, fields.source)
    _fill_prefix(&rule.destination, &rule.destination_length, fields.family, fields.destination)
    rule.service.source_low, rule.service.source_high = fields.source_ports
    rule.service.destination_low, rule.service.destination_high = fields.destination_ports
    rule.service.protocol, rule.service.protocol_mask = fields.protocol
    rule.service.flags, rule.service.flags_mask = fields.flags
    rule.service.traffic, rule.service.traffic_mask = fields.traffic
    rule.service.protocol &= rule.service.protocol_mask
    rule.service.flags &= rule.service.flags_mask
    rule.service.traffic &= rule.service.traffic_mask
    rule.priority = fields.priority
    rule.action = fields.action
    return 0


cdef int _fill_prefix(addr_t* address, uint8_t* length, int family, object prefix) except -1:
    number, bits = prefix
    width = 16 if family == INET6 else 4
    octets = number.to_bytes(width, "big")
    if not 0 <= bits <= (8 * width if family else 0):
        raise ValueError(f"prefix length {bits} of an address of family {family}")
    if number & ((1 << (8 * width - bits)) - 1):
        raise ValueError(f"host bits are set behind the first {bits} bits of {octets.hex()}")
    memcpy(address.octet, <const uint8_t*> <bytes> octets, width)
    length[0] = bits
    return 0
