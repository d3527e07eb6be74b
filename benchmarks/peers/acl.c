/* rte_acl: rules over addresses, ports and protocol, looked up by its AVX-512 function of 32 lanes
 * where the machine has it. A key is the address of a record of 16 octets in network order:
 *
 *   protocol 1 | zero 3 | source 4 | destination 4 | source port 2 | destination port 2
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_acl.h>
#include <rte_memory.h>
#include "peers.h"

enum { PROTOCOL, SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT, FIELDS };

struct acl_row { /* as numpy makes it: numbers in the order of this machine */
    uint32_t source, destination;
    uint16_t source_low, source_high, destination_low, destination_high;
    uint8_t source_length, destination_length, protocol, protocol_mask;
};

static struct rte_acl_field_def fields[FIELDS] = {
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, PROTOCOL, 0, 0},
    {RTE_ACL_FIELD_TYPE_MASK, 4, SOURCE, 1, 4},
    {RTE_ACL_FIELD_TYPE_MASK, 4, DESTINATION, 2, 8},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, SOURCE_PORT, 3, 12},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, DESTINATION_PORT, 3, 14},
};
RTE_ACL_RULE_DEF(acl_rule, FIELDS);

/* NULL: no memory, or rules that cannot be built. The first rule that fits wins. */
void *acl_open(const struct acl_row *rows, uint32_t count) {
    static int made;
    char name[32];
    struct rte_acl_config config = {.num_categories = 1, .num_fields = FIELDS};
    snprintf(name, sizeof name, "acl%d", made++);
    struct rte_acl_param param = {.name = name, .socket_id = SOCKET_ID_ANY,
                                  .rule_size = RTE_ACL_RULE_SZ(FIELDS), .max_rule_num = count};
    struct rte_acl_ctx *acl = rte_acl_create(&param);
    if (acl == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct acl_row *row = &rows[i];
        struct acl_rule rule = {.data = {.category_mask = 1, .priority = (int)(count - i),
                                         .userdata = i + 1}};
        rule.field[PROTOCOL].value.u8 = row->protocol;
        rule.field[PROTOCOL].mask_range.u8 = row->protocol_mask;
        rule.field[SOURCE].value.u32 = row->source;
        rule.field[SOURCE].mask_range.u32 = row->source_length;
        rule.field[DESTINATION].value.u32 = row->destination;
        rule.field[DESTINATION].mask_range.u32 = row->destination_length;
        rule.field[SOURCE_PORT].value.u16 = row->source_low;
        rule.field[SOURCE_PORT].mask_range.u16 = row->source_high;
        rule.field[DESTINATION_PORT].value.u16 = row->destination_low;
        rule.field[DESTINATION_PORT].mask_range.u16 = row->destination_high;
        if (rte_acl_add_rules(acl, (struct rte_acl_rule *)&rule, 1) != 0)
            goto failed;
    }
    memcpy(config.defs, fields, sizeof fields);
    if (rte_acl_build(acl, &config) != 0)
        goto failed;
    if (rte_acl_set_ctx_classify(acl, RTE_ACL_CLASSIFY_AVX512X32) != 0)
        rte_acl_set_ctx_classify(acl, RTE_ACL_CLASSIFY_DEFAULT);
    return acl;
failed:
    rte_acl_free(acl);
    return NULL;
}

void acl_close(void *acl) { rte_acl_free(acl); }

/* Answers: number of the rule from 1, 0 for none. */
void acl_classify(const void *acl, const uint8_t *keys, void *out, int n) {
    rte_acl_classify(acl, (const uint8_t **)keys, out, (uint32_t)n, 1);
}
