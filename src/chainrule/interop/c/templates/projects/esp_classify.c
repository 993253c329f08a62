/* Read inputs from the console and print $printed; $mark. */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "${name}.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

static int read_character(void)
{
    int letter = getchar();
    while (letter == EOF) { /* nothing was sent yet */
        clearerr(stdin);
        vTaskDelay(1);
        letter = getchar();
    }
    return letter;
}

static void show(const char *name, float output, const char *note)
{
    printf("%s %g%s\n", name, (double)output, note);
}

$classify
void app_main(void)
{
    printf("send $inputs numbers\n");
    for (;;)
        classify();
}
