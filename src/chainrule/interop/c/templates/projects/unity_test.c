/* A test with Unity: the network computes the outputs that were recorded at export; $mark. */
/* SPDX-License-Identifier: MIT */
#include <unity.h>

#include <${name}.h>

static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS], outputs[${guard}_OUTPUTS];

void setUp(void)
{
}

void tearDown(void)
{
}

static void test_outputs_are_those_recorded_at_export(void)
{
    TEST_ASSERT_TRUE(${name}_selftest(arena, image, outputs));
}

static int run_tests(void)
{
    UNITY_BEGIN();
    RUN_TEST(test_outputs_are_those_recorded_at_export);
    return UNITY_END();
}

#if defined(ARDUINO)
#include <Arduino.h>

void setup()
{
    delay(2000); /* the serial port of some boards needs time */
    run_tests();
}

void loop()
{
}
#elif defined(ESP_PLATFORM)
void app_main(void)
{
    run_tests();
}
#else
int main(void)
{
    return run_tests();
}
#endif
