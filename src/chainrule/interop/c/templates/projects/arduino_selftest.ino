/* Print whether the network computes the outputs that were recorded at export; $mark. */
/* SPDX-License-Identifier: MIT */
#include <Arduino.h>

#include <${name}.h>

static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS], outputs[${guard}_OUTPUTS];

void setup()
{
    Serial.begin(115200);
}

void loop()
{
    Serial.println(${name}_selftest(arena, image, outputs) ? "passed" : "failed");
    delay(5000);
}
