"""Torture of versions: a writer swaps linked things, readers check that each burst has one version.

Linked are: for each pair two IPv4 prefixes and an IPv6 prefix in another table, which lead to one
next hop; and the state of the sessions, which a route names: the header form and the filter of one
session, and which one of many sessions is there. A reader that finds two that do not belong
together has seen half of a transaction, or memory that was used again too early.
"""

from fastpath.address cimport ADDRESS_OCTETS, read_address
from fastpath.adjacency cimport ADJ_IP, ADJ_PENDING, ADJ_SESSION, adjacency_in, adjacency_t
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_load_u8, atomic_load_u32,
    atomic_store_u32, sched_yield)
from fastpath.epoch cimport epoch_give, epoch_offline, epoch_online, epoch_pass, epoch_take
from fastpath.session cimport (
    session_entry_t, session_filter, session_find, session_key)
from fastpath.session_change cimport TOS_COPY, form_t, session_request_t
from fastpath.types cimport INET, INET6, SESSION_INVALID
from fastpath.update_error cimport (
    UPDATE_ADJACENCIES_FULL, UPDATE_RETIRED, UPDATE_SESSIONS_FULL, UPDATE_SHADOWS_FULL, error_text,
    update_error_t)
from fastpath.wire cimport load_be16, store_be32
from libc.stdint cimport uint16_t
from libc.string cimport memset

cdef enum:
    LOCAL = 0x0A580001
    STEADY = 9999             # tunnel of the session that is always there


cdef inline uint32_t _next(uint32_t x) noexcept nogil:
    # xorshift32 (Marsaglia)
    x ^= x << 13
    x ^= x >> 17
    return x ^ (x << 5)


cdef inline bint _is_full(int code) noexcept nogil:
    """Too much waits for readers, who may not be running: the writer tries again."""
    return (code == UPDATE_RETIRED or code == UPDATE_SESSIONS_FULL
            or code == UPDATE_ADJACENCIES_FULL or code == UPDATE_SHADOWS_FULL)


cdef void _form(form_t* form, uint32_t state) noexcept nogil:
    memset(form, 0, sizeof(form_t))
    form.peer_tunnel = form.peer_session = 1 + state
    form.mtu = 1000 + state
    form.tos = TOS_COPY


cdef class Torture:
    """For one engine, whose tables it makes. `write` and `read` run on threads of their own."""

    def __cinit__(self, engine):
        cdef Forwarding forwarding = engine.forwarding
        cdef Update update = engine.update
        self._forwarding = forwarding
        self._update = update
        self._tables[0] = engine.add_table("torture 4")
        self._tables[1] = engine.add_table("torture 6")
        if self._fill() != 0:
            raise RuntimeError(self._text(&update.error))

    cdef str _text(self, const update_error_t* error):
        cdef char[256] text
        error_text(error, text, sizeof(text))
        return (<bytes> text).decode()

    # The writer -----------------------------------------------------------------------------

    cdef int _fill(self) noexcept nogil:
        cdef update_error_t error
        cdef int code = self._update.begin()
        cdef int i
        memset(self._keys6, 0, sizeof(self._keys6))
        for i in range(HOPS):
            code = code or self._update.add_adjacency(ADJ_IP, 0, i, 1500, 0, False, &self._hop[i])
        for i in range(STATES):
            code = code or self._update.add_adjacency(ADJ_IP, 0, i, 1500, 0, False,
                                                      &self._state_hop[i])
        for i in range(KEYS4):
            # Near each other and far: nodes that are shared, and nodes that are not.
            store_be32(self._keys4 + 4 * i, (0x0A000000 if i % 3 else <uint32_t> 0xC0000000)
                       + <uint32_t> (i << 8 | 1 if i % 2 else i << 4))
            code = code or self._update.add_route(
                self._tables[0], INET, self._keys4 + 4 * i, 32,
                self._state_hop[0] if i == KEYS4 - 1 else self._hop[0])
        for i in range(PAIRS):
            store_be32(self._keys6 + 16 * i, 0x20010DB8)
            store_be32(self._keys6 + 16 * i + (12 if i % 2 else 4), <uint32_t> (i + 1))
            code = code or self._update.add_route(self._tables[1], INET6, self._keys6 + 16 * i,
                                                  128, self._hop[0])
        code = code or self._new_session(STEADY, &self._session)
        code = code or self._update.set_filter(self._session, 1, True)
        code = code or self._new_session(0, &self._current)
        return self._update.commit(&error) or code

    cdef int _new_session(self, uint32_t state, nh_t* nh) noexcept nogil:
        cdef session_request_t request
        memset(&request, 0, sizeof(request))
        request.family = INET
        store_be32(request.local.octet + 12, LOCAL)
        store_be32(request.peer.octet + 12, LOCAL + 1)
        request.local_port = request.peer_port = 1701
        request.tunnel = 1 + state
        request.session = 1
        _form(&request.form, 0 if state == STEADY else state)
        return self._update.add_session(&request, nh)

    cdef int _swap_sessions(self, uint32_t state) noexcept nogil:
        cdef form_t form
        _form(&form, state)
        return (self._update.add_route(self._tables[0], INET, self._keys4 + 4 * (KEYS4 - 1), 32,
                                       self._state_hop[state])
                or self._update.update_session(self._session, &form)
                or self._update.set_filter(self._session, 1 + state, True)
                or self._update.delete_adjacency(self._current)
                or self._new_session(state, &self._current))

    cdef int _swap(self, uint32_t pair, bint sessions) noexcept nogil:
        """One transaction; a refused one is tried again. 0, or a code."""
        cdef update_error_t error
        cdef uint32_t hop = (self._at[pair] + 1) % HOPS
        cdef uint32_t state = (self._state + 1) % STATES
        cdef nh_t current = self._current
        cdef int code = self._update.begin()
        if code != 0:
            return code
        code = (self._update.add_route(self._tables[0], INET, self._keys4 + 8 * pair, 32,
                                       self._hop[hop])
                or self._update.delete_route(self._tables[1], INET6, self._keys6 + 16 * pair, 128)
                or self._update.add_route(self._tables[0], INET, self._keys4 + 8 * pair + 4, 32,
                                          self._hop[hop])
                or self._update.add_route(self._tables[1], INET6, self._keys6 + 16 * pair, 128,
                                          self._hop[hop]))
        if sessions:
            code = code or self._swap_sessions(state)
        if code != 0:
            self._update.rollback()
        else:
            code = self._update.commit(&error)
        if code != 0:
            self._current = current
            return code
        self._at[pair] = hop
        if sessions:
            self._state = state
        return 0

    def write(self, swaps: int, seed: int = 1, sessions: int = 4) -> dict[str, int]:
        """So many transactions; with every `sessions`th one the sessions change too. Tells how many
        were made, refused (and tried again) and rolled back. Stops early when stop() was called."""
        cdef uint64_t wanted = swaps
        cdef uint64_t made = 0
        cdef uint64_t refused = 0
        cdef uint64_t undone = 0
        cdef uint32_t each = sessions
        cdef uint32_t random = seed
        cdef nh_t current
        cdef int code = 0
        with nogil:
            while made < wanted and not atomic_load_u32(&self._stop, ATOMIC_RELAXED):
                random = _next(random)
                if random % 64 == 0:
                    # A transaction that comes to nothing.
                    current = self._current
                    self._update.begin()
                    self._swap_sessions((self._state + 7) % STATES)
                    self._update.rollback()
                    self._current = current
                    undone += 1
                code = self._swap(random % PAIRS, made % each == 0)
                if _is_full(code):
                    refused += 1
                    sched_yield()
                elif code != 0:
                    break
                else:
                    made += 1
        if code != 0 and not _is_full(code):
            raise RuntimeError(self._text(&self._update.error))
        return {"made": made, "refused": refused, "rolled_back": undone}

    # Readers --------------------------------------------------------------------------------

    cdef uint32_t _check_routes(self, const version_t* version, nh_t* found) noexcept nogil:
        cdef nh_t found6[PAIRS]
        cdef uint32_t torn = 0
        cdef int i
        self._forwarding.table[self._tables[0]].v4.lookup(version.view[self._tables[0]].v4,
                                                          self._keys4, found, KEYS4)
        self._forwarding.table[self._tables[1]].v6.lookup(version.view[self._tables[1]].v6,
                                                          self._keys6, found6, PAIRS)
        for i in range(PAIRS):
            torn += found[2 * i] != found[2 * i + 1] or found[2 * i] != found6[i]
        return torn

    cdef uint32_t _check_sessions(self, const version_t* version, nh_t marker) noexcept nogil:
        cdef const adjacency_t* at = self._forwarding.adjacencies.at
        cdef const session_entry_t* entry
        cdef uint32_t state = at[marker].port
        cdef nh_t nh = self._session
        cdef uint32_t torn = 0
        cdef uint32_t index
        cdef int i
        if atomic_load_u8(&at[nh].flags, ATOMIC_ACQUIRE) & ADJ_PENDING:
            nh = adjacency_in(at, self._forwarding.adjacencies.side, nh, version.number)
        # Octets 34 and 35 of the rewrite are the peer's session id.
        torn += load_be16(at[nh].rewrite + 34) != 1 + state or at[nh].mtu != 1000 + state
        index = session_find(&self._forwarding.sessions.map, session_key(LOCAL, 1 + STEADY, 1),
                             NULL, version.number)
        if index == SESSION_INVALID:
            return torn + 1
        entry = &self._forwarding.sessions.map.at[index]
        torn += session_filter(entry, version.number) != 1 + state
        for i in range(STATES):
            index = session_find(&self._forwarding.sessions.map,
                                 session_key(LOCAL, <uint16_t> (1 + i), 1), NULL,
                                 version.number)
            torn += (index != SESSION_INVALID) != (<uint32_t> i == state)
        index = session_find(&self._forwarding.sessions.map,
                             session_key(LOCAL, <uint16_t> (1 + state), 1), NULL,
                             version.number)
        if index != SESSION_INVALID:
            entry = &self._forwarding.sessions.map.at[index]
            torn += at[entry.nh].kind != ADJ_SESSION
            torn += load_be16(at[entry.nh].rewrite + 34) != 1 + state
        return torn

    def read(self, lookups: int, repeat: int = 16, sleep: int = 64) -> dict[str, int]:
        """Bursts until so many lookups were made and stop() was called, or torn ones were found.

        repeat: how often a burst looks everything up; sleep: bursts after which it is offline once.
        Tells lookups, bursts, versions seen and torn ones.
        """
        cdef epoch_slot_t* slot = epoch_take(self._forwarding.epoch)
        cdef const version_t* version
        cdef nh_t found[KEYS4]
        cdef uint64_t wanted = lookups
        cdef uint64_t done = 0
        cdef uint64_t bursts = 0
        cdef uint64_t versions = 0
        cdef uint64_t last = 0
        cdef uint64_t torn = 0
        cdef int times = repeat
        cdef uint64_t each = sleep
        cdef nh_t marker
        cdef int i
        if slot == NULL:
            raise MemoryError("all workers are taken")
        with nogil:
            epoch_online(self._forwarding.epoch, slot)
            while torn == 0 and (done < wanted or not
                                 atomic_load_u32(&self._stop, ATOMIC_RELAXED)):
                bursts += 1
                if bursts % each == 0:
                    epoch_offline(slot)
                    epoch_online(self._forwarding.epoch, slot)
                version = epoch_pass(self._forwarding.epoch, slot)
                versions += version.number != last
                torn += version.number < last
                last = version.number
                marker = 0
                for i in range(times):
                    torn += self._check_routes(version, found)
                    # Nothing changes inside a burst.
                    torn += i > 0 and marker != found[KEYS4 - 1]
                    marker = found[KEYS4 - 1]
                    done += KEYS4 + PAIRS
                torn += self._check_sessions(version, marker)
            epoch_offline(slot)
            epoch_give(self._forwarding.epoch, slot)
        return {"lookups": done, "bursts": bursts, "versions": versions, "torn": torn}

    def stop(self) -> None:
        """Ends reads that have made their lookups, and the writer."""
        atomic_store_u32(&self._stop, 1, ATOMIC_RELEASE)

    # Workers that a test holds in its hands -------------------------------------------------

    def sleep_online(self) -> int:
        """Comes online as a worker and does not go offline: the worker of a thread that hangs, or
        that ends without a word. Returns its number, for wake()."""
        cdef epoch_slot_t* slot = epoch_take(self._forwarding.epoch)
        cdef int index
        if slot == NULL:
            raise MemoryError("all workers are taken")
        index = slot - self._forwarding.epoch.slot
        self._held[index] = epoch_online(self._forwarding.epoch, slot)
        return index

    def wake(self, worker: int, *, leave: bool = True) -> None:
        """Such a worker passes, and with `leave` it goes."""
        cdef int index = worker
        self._held[index] = epoch_pass(self._forwarding.epoch, &self._forwarding.epoch.slot[index])
        if leave:
            epoch_give(self._forwarding.epoch, &self._forwarding.epoch.slot[index])

    def resolve_at(self, int worker, int table, str destination) -> int:
        """Next hop of an address in the version that a worker holds."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in destination else INET
        cdef const version_t* version = self._held[worker]
        cdef nh_t nh = 0
        read_address(family, destination, octets)
        if family == INET:
            self._forwarding.table[table].v4.lookup(version.view[table].v4, octets, &nh, 1)
        else:
            self._forwarding.table[table].v6.lookup(version.view[table].v6, octets, &nh, 1)
        return nh

    def session_at(self, int worker, int tunnel, int session) -> tuple[int, int, int] | None:
        """The session at 10.88.0.1 with these ids in the version that a worker holds: next hop,
        peer's session id, filter."""
        cdef uint64_t number = self._held[worker].number
        cdef uint32_t index = session_find(&self._forwarding.sessions.map,
                                           session_key(LOCAL, tunnel, session), NULL,
                                           number)
        cdef const session_entry_t* entry
        cdef nh_t nh
        if index == SESSION_INVALID:
            return None
        entry = &self._forwarding.sessions.map.at[index]
        nh = adjacency_in(self._forwarding.adjacencies.at, self._forwarding.adjacencies.side,
                          entry.nh, number)
        return (entry.nh, load_be16(self._forwarding.adjacencies.at[nh].rewrite + 34),
                session_filter(entry, number))
