/* A test with ztest: the network computes the outputs that were recorded at export; $mark. */
/* SPDX-License-Identifier: MIT */
#include <zephyr/ztest.h>

#include "${name}.h"

static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS], outputs[${guard}_OUTPUTS];

ZTEST(${library}, test_outputs_are_those_recorded_at_export)
{
    zassert_true(${name}_selftest(arena, image, outputs), "other outputs than at export");
}

ZTEST_SUITE(${library}, NULL, NULL, NULL, NULL, NULL);
