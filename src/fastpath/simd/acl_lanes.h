/* The lookup of acl.h for ACL_LANES packets at a time. Included once for each variant, with
 * ACL_NAME, ACL_TARGET and ACL_LANES defined; what differs is the gather, the rest is the
 * compiler's vector arithmetic.
 *
 * A gather of AVX-512 merges into its destination. GCC leaves the last value there, which chains
 * one round to the next; a zeroed destination does not, if the compiler cannot see that the mask is
 * all ones (it would drop the zero).
 */

#if ACL_LANES == 1
typedef uint32_t ACL_NAME(lanes);
#else
typedef uint32_t ACL_NAME(lanes) __attribute__((vector_size(ACL_LANES * 4), may_alias));
#endif
#define V ACL_NAME(lanes)
#define FN ACL_TARGET static inline __attribute__((always_inline))

#if ACL_LANES == 16
FN V ACL_NAME(gather)(const void *base, V at) {
    __mmask16 all = 0xFFFF;
    __asm__("" : "+Yk"(all));
    return (V)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), all, (__m512i)at, base, 1);
}
FN V ACL_NAME(load)(const uint32_t *at) { return (V)_mm512_loadu_si512(at); }
FN void ACL_NAME(store)(uint32_t *at, V value) { _mm512_storeu_si512(at, (__m512i)value); }
FN int ACL_NAME(any)(V bits) { return _mm512_test_epi32_mask((__m512i)bits, (__m512i)bits) != 0; }
FN V ACL_NAME(same)(uint32_t value) { return (V)_mm512_set1_epi32((int)value); }
FN V ACL_NAME(least)(V a, V b) { return (V)_mm512_min_epu32((__m512i)a, (__m512i)b); }
/* Lanes of yes where the bit ACL_CHILD of cell is set, lanes of no elsewhere. */
FN V ACL_NAME(child_or)(V cell, V yes, V no) {
    __mmask16 child = _mm512_test_epi32_mask((__m512i)cell, _mm512_set1_epi32(ACL_CHILD));
    return (V)_mm512_mask_mov_epi32((__m512i)no, child, (__m512i)yes);
}
#elif ACL_LANES == 8
FN V ACL_NAME(gather)(const void *base, V at) {
    return (V)_mm256_i32gather_epi32((const int *)base, (__m256i)at, 1);
}
FN V ACL_NAME(load)(const uint32_t *at) { return (V)_mm256_loadu_si256((const __m256i *)at); }
FN void ACL_NAME(store)(uint32_t *at, V value) {
    _mm256_storeu_si256((__m256i *)at, (__m256i)value);
}
FN int ACL_NAME(any)(V bits) { return !_mm256_testz_si256((__m256i)bits, (__m256i)bits); }
FN V ACL_NAME(same)(uint32_t value) { return (V)_mm256_set1_epi32((int)value); }
FN V ACL_NAME(least)(V a, V b) { return (V)_mm256_min_epu32((__m256i)a, (__m256i)b); }
FN V ACL_NAME(child_or)(V cell, V yes, V no) {
    __m256i child = _mm256_srai_epi32(_mm256_slli_epi32((__m256i)cell, 16), 31);
    return (V)_mm256_blendv_epi8((__m256i)no, (__m256i)yes, child);
}
#else
FN V ACL_NAME(gather)(const void *base, V at) {
    V value;
    memcpy(&value, (const char *)base + at, sizeof(value));
    return value;
}
FN V ACL_NAME(load)(const uint32_t *at) { return *at; }
FN void ACL_NAME(store)(uint32_t *at, V value) { *at = value; }
FN int ACL_NAME(any)(V bits) { return bits != 0; }
FN V ACL_NAME(same)(uint32_t value) { return value; }
FN V ACL_NAME(least)(V a, V b) { return a < b ? a : b; }
FN V ACL_NAME(child_or)(V cell, V yes, V no) { return cell & ACL_CHILD ? yes : no; }
#endif

/* Word `word` of ACL_LANES keys of `words` words each. */
FN V ACL_NAME(word)(const uint32_t *keys, int words, int word) {
#if ACL_LANES == 1
    return keys[word];
#else
    static const V lane = {0, 1, 2, 3, 4, 5, 6, 7,
#if ACL_LANES == 16
                           8, 9, 10, 11, 12, 13, 14, 15
#endif
    };
    return ACL_NAME(gather)(keys + word, lane * (uint32_t)(words * 4));
#endif
}

/* The 4 words of ACL_LANES keys of 16 octets. */
FN void ACL_NAME(words)(const uint32_t *keys, V word[4]) {
#if ACL_LANES == 16
    /* Two words of eight keys each, then halves change places: a quarter of what gathers cost. */
    const __m512i even = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25,
                                           29);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(2));
    __m512i a = _mm512_loadu_si512(keys), b = _mm512_loadu_si512(keys + 16);
    __m512i c = _mm512_loadu_si512(keys + 32), d = _mm512_loadu_si512(keys + 48);
    __m512i ab = _mm512_permutex2var_epi32(a, even, b), cd = _mm512_permutex2var_epi32(c, even, d);
    word[0] = (V)_mm512_shuffle_i64x2(ab, cd, 0x44);
    word[1] = (V)_mm512_shuffle_i64x2(ab, cd, 0xEE);
    ab = _mm512_permutex2var_epi32(a, odd, b);
    cd = _mm512_permutex2var_epi32(c, odd, d);
    word[2] = (V)_mm512_shuffle_i64x2(ab, cd, 0x44);
    word[3] = (V)_mm512_shuffle_i64x2(ab, cd, 0xEE);
#else
    int i;
    for (i = 0; i < 4; i++)
        word[i] = ACL_NAME(word)(keys, 4, i);
#endif
}

/* Classes of addresses. `first` is their leading word in the keys. */
FN V ACL_NAME(classify)(const acl_trie_t *trie, const uint32_t *keys, int words, int first,
                        int bits, V word) {
    const uint32_t stride = trie->stride, mask = (1u << stride) - 1;
    V cell = ACL_NAME(gather)(trie->cells, (word >> 16) * 2) & 0xFFFF;
    int at;
    for (at = 16; at < bits && ACL_NAME(any)(cell & ACL_CHILD); at += stride) {
        if ((at & 31) == 0)
            word = ACL_NAME(word)(keys, words, first + at / 32);
        V next = 65536 + ((cell & (ACL_CHILD - 1)) << stride) +
                 ((word >> (32 - stride - (at & 31))) & mask);
        /* A lane that has its class stays at cell 0 meanwhile. */
        next = ACL_NAME(child_or)(cell, next * 2, ACL_NAME(same)(0));
        cell = ACL_NAME(child_or)(cell, ACL_NAME(gather)(trie->cells, next) & 0xFFFF, cell);
    }
    return cell;
}

FN V ACL_NAME(field)(const acl_field_t *field, V value) {
    V block = ACL_NAME(gather)(field->high, (value >> 8) * 2) & 0xFFFF;
    return ACL_NAME(gather)(field->low, (block * 256 + (value & 255)) * 4);
}

FN V ACL_NAME(cell)(const acl_grid_t *grid, V row, V column, int size) {
    V at;
    if (grid->shift == 0) {
        at = row * grid->width + column;
    } else {
        at = row * grid->width + (column >> grid->shift);
        at = ACL_NAME(gather)(grid->pieces, at * 2) & 0xFFFF;
        at = (at << grid->shift) + (column & ((1u << grid->shift) - 1));
    }
    return ACL_NAME(gather)(grid->cells, at * (uint32_t)size);
}

FN V ACL_NAME(group)(const acl_group_t *group, V row, V column, V service, V best) {
    V pair = ACL_NAME(cell)(&group->pairs, row, column, 4);
    V list = pair & ((1u << group->list_bits) - 1);
    V rank = ACL_NAME(cell)(&group->ranks, pair >> group->list_bits, service, 1) & 0xFF;
    return ACL_NAME(least)(best, ACL_NAME(gather)(group->lists, (list + rank) * 4));
}

/* ACL_LANES keys, classes into `out`. */
FN void ACL_NAME(fields)(const acl_part_t *part, const uint32_t *keys, int words, int bits,
                         uint32_t *source, uint32_t *destination, uint32_t *service) {
    const int count = bits / 32;
    V word[4];                    /* leading ones of the addresses, ports, the rest */
    if (bits == 32) {
        ACL_NAME(words)(keys, word);
    } else {
        word[0] = ACL_NAME(word)(keys, words, 0);
        word[1] = ACL_NAME(word)(keys, words, count);
        word[2] = ACL_NAME(word)(keys, words, 2 * count);
        word[3] = ACL_NAME(word)(keys, words, 2 * count + 1);
    }
    /* A headless packet's ports and flags have the value 65,536, whatever the key says. */
    const V headless = word[3] >> 31 << 16, present = (word[3] >> 31) - 1;
    const V ports = word[2] & present, rest = word[3];
    V sum = ACL_NAME(same)(0);
    ACL_NAME(store)(source, ACL_NAME(classify)(&part->source, keys, words, 0, bits, word[0]));
    ACL_NAME(store)(destination, ACL_NAME(classify)(&part->destination, keys, words, count, bits,
                                                    word[1]));
    if (part->source_port.high)
        sum += ACL_NAME(field)(&part->source_port, (ports & 0xFFFF) | headless);
    if (part->destination_port.high)
        sum += ACL_NAME(field)(&part->destination_port, ports >> 16 | headless);
    if (part->flags.high)
        sum += ACL_NAME(field)(&part->flags, (rest & present & 0xFFFF) | headless);
    if (part->protocol)
        sum += ACL_NAME(gather)(part->protocol, (rest >> 16 & 0xFF) * 4);
    if (part->traffic)
        sum += ACL_NAME(gather)(part->traffic, (rest >> 24 & 0x7F) * 4);
    ACL_NAME(store)(service, sum);
}

/* Classes to rules, for two groups at a time. */
FN void ACL_NAME(groups)(const acl_part_t *part, const acl_classes_t *classes, int n,
                         uint32_t *best) {
    uint32_t pair;
    int i;
    for (pair = 0; pair < part->groups; pair += 2) {
        const acl_group_t *one = &part->group[pair], *two = one + 1;
        const uint32_t *rows = part->rows[pair / 2], *columns = part->columns[pair / 2];
        const uint32_t *services = part->services[pair / 2];
        const int both = pair + 1 < part->groups;
        for (i = 0; i < n; i += ACL_LANES) {
            V row = ACL_NAME(load)(classes->source + i);
            V column = ACL_NAME(load)(classes->destination + i);
            V service = ACL_NAME(load)(classes->service + i);
            V found = ACL_NAME(load)(best + i);
            if (rows)
                row = ACL_NAME(gather)(rows, row * 4);
            if (columns)
                column = ACL_NAME(gather)(columns, column * 4);
            if (services)
                service = ACL_NAME(gather)(services, service * 4);
            if (!both) {
                found = ACL_NAME(group)(one, row, column, service, found);
            } else {
                found = ACL_NAME(group)(one, row & 0xFFFF, column & 0xFFFF, service & 0xFFFF,
                                        found);
                found = ACL_NAME(group)(two, row >> 16, column >> 16, service >> 16, found);
            }
            ACL_NAME(store)(best + i, found);
        }
    }
}

/* keys and best have room for a multiple of ACL_LANES. */
ACL_TARGET static void ACL_NAME(acl_lookup)(const acl_part_t *part, const void *keys, int n,
                                            uint32_t *best) {
    acl_classes_t classes;
    const uint32_t *key = (const uint32_t *)keys;
    int i;
    if (part->words == 1)
        for (i = 0; i < n; i += ACL_LANES)
            ACL_NAME(fields)(part, key + i * 4, 4, 32, classes.source + i, classes.destination + i,
                             classes.service + i);
    else
        for (i = 0; i < n; i += ACL_LANES)
            ACL_NAME(fields)(part, key + i * 10, 10, 128, classes.source + i,
                             classes.destination + i, classes.service + i);
    ACL_NAME(groups)(part, &classes, n, best);
}

#undef V
#undef FN
#undef ACL_NAME
#undef ACL_TARGET
#undef ACL_LANES
