"""Classic BPF programs: checked when they are loaded, interpreted for each packet."""

cimport cython
from fastpath.wire cimport load_be16, load_be32
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

# Instruction codes, <linux/bpf_common.h>: class in bits 0 to 2, then what each class makes of the
# rest.
cdef enum:
    CLASS = 0x07
    LD = 0x00
    LDX = 0x01
    ST = 0x02
    STX = 0x03
    ALU = 0x04
    JMP = 0x05
    RET = 0x06
    MISC = 0x07
    SIZE = 0x18
    WORD = 0x00
    HALF = 0x08
    BYTE = 0x10
    MODE = 0xE0
    IMM = 0x00
    ABS = 0x20
    IND = 0x40
    MEM = 0x60
    LEN = 0x80
    MSH = 0xA0
    OPERATION = 0xF0
    ADD = 0x00
    SUB = 0x10
    MUL = 0x20
    DIV = 0x30
    OR = 0x40
    AND = 0x50
    LSH = 0x60
    RSH = 0x70
    NEG = 0x80
    MOD = 0x90
    XOR = 0xA0
    JA = 0x00
    JEQ = 0x10
    JGT = 0x20
    JGE = 0x30
    JSET = 0x40
    WITH_X = 0x08             # the operand is X, else k
    RESULT = 0x18             # of RET
    RETURN_A = 0x10
    TXA = 0x80


cdef inline bint _load(const filter_op_t* op, const uint8_t* packet, uint32_t captured,
                       uint64_t at, uint32_t* a) noexcept nogil:
    """False: the packet is not that long."""
    cdef int size = op.code & SIZE
    if size == WORD:
        if at + 4 > captured:
            return False
        a[0] = load_be32(packet + at)
    elif size == HALF:
        if at + 2 > captured:
            return False
        a[0] = load_be16(packet + at)
    else:
        if at >= captured:
            return False
        a[0] = packet[at]
    return True


cdef inline bint _calculate(int operation, uint32_t operand, uint32_t* a) noexcept nogil:
    """False: a division by zero."""
    if operation == ADD:
        a[0] += operand
    elif operation == SUB:
        a[0] -= operand
    elif operation == MUL:
        a[0] *= operand
    elif operation == OR:
        a[0] |= operand
    elif operation == AND:
        a[0] &= operand
    elif operation == XOR:
        a[0] ^= operand
    elif operation == LSH:
        a[0] = a[0] << operand if operand < 32 else 0
    elif operation == RSH:
        a[0] = a[0] >> operand if operand < 32 else 0
    elif operation == NEG:
        a[0] = 0 - a[0]
    elif operand == 0:
        return False
    elif operation == DIV:
        a[0] //= operand
    else:
        a[0] %= operand
    return True


cdef inline bint _compare(int operation, uint32_t a, uint32_t operand) noexcept nogil:
    if operation == JEQ:
        return a == operand
    if operation == JGT:
        return a > operand
    if operation == JGE:
        return a >= operand
    return (a & operand) != 0


cdef uint32_t filter_run(const filter_op_t* ops, const uint8_t* packet, uint32_t captured,
                         uint32_t wire_len) noexcept nogil:
    cdef uint32_t memory[FILTER_MEMORY]
    cdef uint32_t a = 0
    cdef uint32_t x = 0
    cdef const filter_op_t* op = ops
    cdef int kind, i
    for i in range(FILTER_MEMORY):
        memory[i] = 0
    while True:
        kind = op.code & CLASS
        if kind == RET:
            return a if op.code & RESULT == RETURN_A else op.k
        if kind == JMP:
            if op.code & OPERATION == JA:
                op += op.k
            elif _compare(op.code & OPERATION, a, x if op.code & WITH_X else op.k):
                op += op.jt
            else:
                op += op.jf
        elif kind == ALU:
            if not _calculate(op.code & OPERATION, x if op.code & WITH_X else op.k, &a):
                return 0
        elif kind == MISC:
            if op.code & TXA:
                a = x
            else:
                x = a
        elif kind == ST:
            memory[op.k] = a
        elif kind == STX:
            memory[op.k] = x
        elif not _fetch(op, packet, captured, wire_len, memory, &a, &x):
            return 0
        op += 1


cdef inline bint _fetch(const filter_op_t* op, const uint8_t* packet, uint32_t captured,
                        uint32_t wire_len, const uint32_t* memory, uint32_t* a,
                        uint32_t* x) noexcept nogil:
    """LD and LDX. False: it is not in the packet."""
    cdef uint32_t* to = a if op.code & CLASS == LD else x
    cdef int mode = op.code & MODE
    if mode == IMM:
        to[0] = op.k
    elif mode == MEM:
        to[0] = memory[op.k]
    elif mode == LEN:
        to[0] = wire_len
    elif mode == MSH:
        if op.k >= captured:
            return False
        to[0] = <uint32_t>(packet[op.k] & 15) * 4
    else:
        return _load(op, packet, captured, <uint64_t>op.k + (x[0] if mode == IND else 0), to)
    return True


def _problem(int at, int count, int code, int jt, int jf, uint32_t k) -> str:
    """What is wrong with an instruction, or nothing."""
    kind = code & CLASS
    left = count - at - 1
    if kind == LD or kind == LDX:
        return _load_problem(code, k)
    if kind == ST or kind == STX:
        return f"memory word {k} does not exist" if k >= FILTER_MEMORY or code & ~CLASS else ""
    if kind == ALU:
        if code & OPERATION > XOR or code > 0xFF:
            return f"code {code:#x} does not exist"
        divides = code & OPERATION in (DIV, MOD) and not code & WITH_X
        return "a division by zero" if divides and k == 0 else ""
    if kind == JMP:
        if code & OPERATION > JSET or code > 0xFF:
            return f"code {code:#x} does not exist"
        ahead = k if code & OPERATION == JA else max(jt, jf)
        return f"a jump over {ahead} where {left} are left" if ahead >= left else ""
    if kind == RET:
        return "" if code in (RET, RET | RETURN_A) else f"code {code:#x} does not exist"
    return "" if code in (MISC, MISC | TXA) else f"code {code:#x} does not exist"


def _load_problem(int code, uint32_t k) -> str:
    kind, mode, size = code & CLASS, code & MODE, code & SIZE
    if kind == LD:
        known = size != SIZE if mode in (ABS, IND) else mode in (IMM, MEM, LEN) and size == WORD
    else:
        known = size == WORD and mode in (IMM, MEM, LEN) or mode == MSH and size == BYTE
    if code > 0xFF or not known:
        return f"code {code:#x} does not exist"
    return f"memory word {k} does not exist" if mode == MEM and k >= FILTER_MEMORY else ""


@cython.final
cdef class PacketFilter:
    """A program of instructions `(code, jt, jf, k)`, as libpcap's pcap_compile makes them.

    Raises ValueError for a program that is empty, too long, does not end or names what does not
    exist.
    """

    def __cinit__(self, program):
        program = list(program)
        self.count = len(program)
        if not 1 <= self.count <= FILTER_OPS:
            allowed = f"1 to {FILTER_OPS} are allowed"
            raise ValueError(f"a filter of {self.count} instructions, {allowed}")
        self.ops = <filter_op_t*>calloc(self.count, sizeof(filter_op_t))
        if self.ops == NULL:
            raise MemoryError
        for at, (code, jt, jf, k) in enumerate(program):
            if problem := _problem(at, self.count, code, jt, jf, k):
                raise ValueError(f"instruction {at} of a filter: {problem}")
            self.ops[at] = filter_op_t(code=code, jt=jt, jf=jf, k=k)
        if self.ops[self.count - 1].code & CLASS != RET:
            raise ValueError("the last instruction of a filter returns nothing")

    def __dealloc__(self):
        free(self.ops)

    def matches(self, const uint8_t[::1] packet not None, wire_len=None) -> bool:
        """Whether it takes a packet, of which `wire_len` octets were on the wire."""
        cdef uint32_t length = packet.shape[0]
        cdef uint32_t wire = length if wire_len is None else wire_len
        return filter_run(self.ops, &packet[0] if length else NULL, length, wire) != 0
