/* Read inputs from the serial monitor and print $printed; $mark. */
/* SPDX-License-Identifier: MIT */
#include <Arduino.h>
#include <math.h>
#include <stdlib.h>

#include <${name}.h>

static int read_character(void)
{
    while (!Serial.available()) {
    }
    return Serial.read();
}

static void show(const char *name, float output, const char *note)
{
    Serial.print(name);
    Serial.print(' ');
    Serial.print(output, 6);
    Serial.println(note);
}

$classify
void setup()
{
    Serial.begin(115200);
    Serial.println("send $inputs numbers");
}

void loop()
{
    classify();
}
